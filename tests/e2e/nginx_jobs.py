"""What a person does to a real nginx through Opsicle: the main job of the end-to-end tests."""

from __future__ import annotations

from shutil import which

from tests.e2e.targets import Nginx, need
from tests.product import User
from tests.support import wait_until


class NginxJobs:
    """What a person does to a target nginx through Opsicle."""

    def __init__(self, user: User, nginx: Nginx, template: str = "nginx-change-page") -> None:
        self.user = user
        self.template = template
        self.nginx = nginx
        self.site_url = f"http://{nginx.place.address}:8081/"
        self._common = {
            "listen": nginx.listen(8081),
            "url": self.site_url,
            "site": str(nginx.folder / "conf.d/opsicle-page.conf"),
            "pages": str(nginx.folder / "pages"),
            "nginx": need(which("nginx", path="/usr/sbin:/usr/bin"), "nginx-light"),
            "main": str(nginx.conf),
        }

    def change(self, page: str, **values: str) -> tuple[int, str]:
        """Run the template and follow it; answers the exit code and the log."""
        done = self.user.attempt(*self.command(page, **values))
        return done.returncode, done.stdout + done.stderr

    def command(self, page: str, **values: str) -> list[str]:
        """Return what is typed to run the template and follow it."""
        given = [
            f"--var={name}={value}"
            for name, value in {**self._common, "page": page, **values}.items()
        ]
        return ["run", self.template, "--follow", *given]

    def page(self) -> str:
        """Return what visitors see at the changed site."""
        return self.nginx.page(self.site_url)

    def wait_for_page(self, page: str) -> None:
        """Wait until visitors see this page.

        After a reload nginx's old processes may still answer for a moment.
        """
        wait_until(lambda: self.page() == page, 60, f"nginx to serve {page!r}")


def change_and_fail_to_change(jobs: NginxJobs) -> None:
    """Make a change that works, one that nginx refuses, and one that cannot be proved.

    Only the first stays.
    """
    hostile = 'it\'s "new" $(touch /tmp/never) `id` \\ ;\n<b>page</b>'
    code, log = jobs.change(hostile)
    assert code == 0, log
    assert "serves the new page" in log
    jobs.wait_for_page(hostile + "\n")

    code, log = jobs.change("refused by nginx", listen="99999")
    assert code == 1, log
    assert "nginx is as it was" in log
    jobs.wait_for_page(hostile + "\n")

    code, log = jobs.change("never seen", url=f"http://{jobs.nginx.place.address}:8082/")
    assert code == 1, log
    jobs.wait_for_page(hostile + "\n")
    states = [automation["state"] for automation in jobs.user.json("automations", "list")]
    assert states == ["failed", "failed", "succeeded"]
    assert jobs.nginx.page() == "the old page\n"
