"""What the unit tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A busy machine is no mistake: what may take how long is measured where it matters, by processor
# time.
settings.register_profile("unit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")
