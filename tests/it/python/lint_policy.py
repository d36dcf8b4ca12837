"""What parliament finds in the IAM policy on standard input: a JSON list of [issue, detail, action or statement]."""

import json
import sys

from parliament import analyze_policy_string

found = analyze_policy_string(sys.stdin.read()).findings
json.dump([[f.issue, str(f.detail), str(f.location.get("line"))] for f in found], sys.stdout)
