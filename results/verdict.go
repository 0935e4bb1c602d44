package results

import "fmt"

// String is the status as it is written: the zero value is "unverified".
func (s Status) String() string {
	if s == Unverified {
		return "unverified"
	}
	return string(s)
}

func (s Status) known() bool {
	switch s {
	case Unverified, Passed, ThresholdFailed, Invalid, Incorrect:
		return true
	}
	return false
}

// MarshalText writes the status; one that is not among the constants is an error.
func (s Status) MarshalText() ([]byte, error) {
	if !s.known() {
		return nil, fmt.Errorf("verdict status %q does not exist", string(s))
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads a status and refuses one it does not know.
func (s *Status) UnmarshalText(text []byte) error {
	if string(text) == Unverified.String() {
		*s = Unverified
		return nil
	}
	if read := Status(text); read != Unverified && read.known() {
		*s = read
		return nil
	}
	return fmt.Errorf("verdict status %q is unknown; expected %s, %s, %s, %s or %s",
		text, Unverified, Passed, ThresholdFailed, Invalid, Incorrect)
}

// ExitCode is the process exit code that says the same: 0 passed, 3 threshold failed, 4 invalid, 5 incorrect, and 1 for
// a run nobody judged.
func (v Verdict) ExitCode() int {
	switch v.Status {
	case Passed:
		return 0
	case ThresholdFailed:
		return 3
	case Invalid:
		return 4
	case Incorrect:
		return 5
	}
	return 1
}

// Decide judges a run by its record, and by nothing else. All reasons are listed, the worst first.
//
// Rows that are missing or short say that data was lost only if the system had finished: of an interrupted run, or one
// that did not drain, they may still have been on their way, so there they make the run invalid, not incorrect. Nor do rows
// prove anything where the broker has thrown away records that nobody can name any more.
func Decide(r *Record) Verdict {
	incorrect, unproven := faults(r)
	invalid := invalidity(r)
	switch {
	case !r.Drained || r.Interrupted:
		for _, reason := range unproven {
			invalid = append(invalid, reason+" (may still have been on their way)")
		}
	case r.Correctness.BrokerCutUnknown != 0:
		for _, reason := range unproven {
			invalid = append(invalid, reason+" (may come of what the broker has thrown away)")
		}
	default:
		incorrect = append(incorrect, unproven...)
	}
	var failed []string
	for _, t := range r.Thresholds {
		if !t.Met {
			failed = append(failed, t.reason())
		}
	}

	v := Verdict{Status: Passed, Reasons: []string{}}
	switch {
	case len(incorrect) > 0:
		v.Status = Incorrect
	case len(invalid) > 0:
		v.Status = Invalid
	case len(failed) > 0:
		v.Status = ThresholdFailed
	}
	for _, reasons := range [][]string{incorrect, invalid, failed} {
		v.Reasons = append(v.Reasons, reasons...)
	}
	return v
}

// faults lists what the system did wrong: what is proven as it stands, and what is proven only if the system had finished and
// all that stood in the log is known.
func faults(r *Record) (proven, unproven []string) {
	c := r.Correctness
	rows := fmt.Sprintf("; %d expected", c.Expected)
	proven = nonzero(
		finding{c.BrokerLost, "acknowledged events lost by the broker", ""},
		finding{c.BrokerDuplicate, "events the broker acknowledged once and stored more than once", ""},
		finding{c.BrokerCorrupt, "records on the topic with other bytes than were sent", ""},
		finding{c.ForeignRecords, "records on the topic that this run never sent", ""},
		finding{c.Duplicate, "rows more than once in the served views", rows},
	)
	excess := nonzero(
		finding{c.Unexpected, "rows in the served views that should not exist", rows},
		finding{c.WrongAnswers, "answers to queries that were right at no moment", fmt.Sprintf(" of %d, in %d different seconds", c.Answers, c.WrongAnswerSeconds)},
		finding{max(0, c.DeadLettered-c.MalformedSent), "dead letters beyond the malformed records", fmt.Sprintf("; %d were malformed", c.MalformedSent)},
		finding{max(0, c.LateCounted-c.LateExpected), "late events counted too many", fmt.Sprintf("; %d expected", c.LateExpected)},
	)
	if c.BrokerCutUnknown == 0 {
		proven = append(proven, excess...)
	} else {
		unproven = excess
	}
	unproven = append(unproven, nonzero(
		finding{c.Missing, "rows missing from the served views", rows},
		finding{c.Wrong, "rows with wrong values in the served views", rows},
		finding{max(0, c.MalformedSent-c.DeadLettered), "malformed records missing from the dead-letter topic", fmt.Sprintf(" of %d", c.MalformedSent)},
		finding{max(0, c.LateExpected-c.LateCounted), "late events not counted as late", fmt.Sprintf(" of %d", c.LateExpected)},
	)...)
	return proven, unproven
}

// finding is a count that should be zero.
type finding struct {
	count       int64
	what, after string
}

func nonzero(findings ...finding) []string {
	var reasons []string
	for _, f := range findings {
		if f.count != 0 {
			reasons = append(reasons, fmt.Sprintf("%s: %d%s", f.what, f.count, f.after))
		}
	}
	return reasons
}
