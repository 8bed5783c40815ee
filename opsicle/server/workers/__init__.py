"""The workers of an org: enrolment, certificates, labels, who drains and who is out."""
