# A server on the client that has the host volume `opsicle`, and workers wherever there is room.
#
#   nomad var put nomad/jobs/opsicle/workers join=@join-token
#   nomad job run opsicle.nomad.hcl

job "opsicle" {
  type = "service"

  group "server" {
    count = 1 # never more: one server to a data folder

    volume "data" {
      type            = "host"
      source          = "opsicle"
      access_mode     = "single-node-writer"
      attachment_mode = "file-system"
    }

    network {
      port "https" {
        static = 8443
      }
      port "workers" {
        static = 8444
      }
    }

    service {
      name = "opsicle"
      port = "https"

      check {
        type            = "http"
        protocol        = "https"
        path            = "/readyz"
        interval        = "10s"
        timeout         = "5s"
        tls_skip_verify = true
      }
    }

    task "server" {
      driver       = "docker"
      user         = "65532:65532"
      kill_timeout = "60s"

      config {
        image           = "registry.example.com/opsicle-server:0.1.0"
        args            = ["server", "--name", "ops.example.com", "--worker-url", "https://ops.example.com:8444"]
        ports           = ["https", "workers"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
      }

      volume_mount {
        volume      = "data"
        destination = "/var/lib/opsicle"
      }

      resources {
        cpu    = 500
        memory = 1024
      }
    }
  }

  group "workers" {
    count = 2

    task "worker" {
      driver       = "docker"
      user         = "65532:65532"
      kill_timeout = "1h" # a job that runs ends by itself; the client's max_kill_timeout must allow it

      config {
        image           = "registry.example.com/opsicle-worker:0.1.0"
        args            = ["worker", "--ephemeral", "--jobs", "100", "--idle-seconds", "86400", "--join-file", "${NOMAD_SECRETS_DIR}/join", "--data-dir", "${NOMAD_TASK_DIR}/worker"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]

        mount {
          type   = "tmpfs"
          target = "/tmp"
        }
      }

      template {
        data        = "{{ with nomadVar \"nomad/jobs/opsicle/workers\" }}{{ .join }}{{ end }}"
        destination = "secrets/join"
        perms       = "0440"
        gid         = 65532
      }

      resources {
        cpu    = 250
        memory = 512
      }
    }
  }
}
