"""What people and machines are told: terminal, HTML, JUnit, verdicts.json and verdicts.csv, fed by findings and results."""
