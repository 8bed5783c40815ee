// What one runs so that a worker joins, for each way in which it may be kept running. A token is in
// none of the command lines, which every user of a machine can read.

const ENROLLED = "# Once it has joined, the token is used up and worth nothing.";

/** In a shell, for as long as that is open. */
export function inShell({ token, slots }) {
  return `printf %s '${token}' | opsicle worker --join-file - --data-dir ./opsicle-worker --slots ${slots}`;
}

/** As a service that starts with the machine. */
export function inSystemd({ token, slots }) {
  return `useradd --system --home-dir /var/lib/opsicle-worker opsicle-worker
install -d -m 0700 -o opsicle-worker /var/lib/opsicle-worker
(umask 077; printf %s '${token}' > /var/lib/opsicle-worker/join)
chown opsicle-worker /var/lib/opsicle-worker/join
opsicle service print worker --program /usr/local/bin/opsicle \\
  > /etc/systemd/system/opsicle-worker.service
mkdir -p /etc/systemd/system/opsicle-worker.service.d
cat > /etc/systemd/system/opsicle-worker.service.d/join.conf <<'END'
[Service]
ExecStart=
ExecStart=/usr/local/bin/opsicle worker --data-dir /var/lib/opsicle-worker --join-file /var/lib/opsicle-worker/join --slots ${slots}
END
systemctl daemon-reload
systemctl enable --now opsicle-worker
${ENROLLED}`;
}

/** As a service of Docker or Podman Compose. */
export function inContainers({ token, slots }) {
  return `(umask 077; printf %s '${token}' > join)
cat > compose.yaml <<'END'
services:
  opsicle-worker:
    image: python:3.13-slim
    command: [/opsicle, worker, --join-file, /run/secrets/join, --data-dir, /data, --slots, "${slots}"]
    hostname: opsicle-worker
    volumes:
      - ./opsicle:/opsicle:ro
      - data:/data
    secrets: [join]
    restart: unless-stopped
    stop_grace_period: 65m
secrets:
  join:
    file: ./join
volumes:
  data:
END
docker compose up --detach
${ENROLLED}`;
}

/** As a pod that keeps its name and its folder. */
export function inKubernetes({ token, slots }) {
  return `kubectl create secret generic opsicle-join --from-file=join=/dev/stdin <<'END'
${token}
END
kubectl apply -f - <<'END'
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: opsicle-worker}
spec:
  serviceName: opsicle-worker
  selector: {matchLabels: {app: opsicle-worker}}
  template:
    metadata: {labels: {app: opsicle-worker}}
    spec:
      terminationGracePeriodSeconds: 3900
      containers:
        - name: worker
          image: registry.example.com/opsicle:1
          args: [worker, --join-file, /join/join, --data-dir, /data, --slots, "${slots}"]
          volumeMounts:
            - {name: join, mountPath: /join, readOnly: true}
            - {name: data, mountPath: /data}
      volumes:
        - {name: join, secret: {secretName: opsicle-join}}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        accessModes: [ReadWriteOnce]
        resources: {requests: {storage: 10Gi}}
END
${ENROLLED}`;
}
