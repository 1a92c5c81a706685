"""The dashboards, one a file: Classic JSON, which every Grafana release loads."""
