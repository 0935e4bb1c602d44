package observe

import "lkbench/internal/bank"

// The views a probe query asks.
const (
	CustomerProfiles = "customer_profiles"
	CustomerWindows  = "customer_windows"
)

// Answer is one probe query and what came back: one line of evidence/probes.jsonl. Times are microseconds since origin on
// the harness's clock. The answer lies between SentUS and AnsweredUS. With Error set or Found false, the fields of the row
// are empty; of customer_windows only the first three of them are filled.
type Answer struct {
	View        string      `json:"view"`
	Customer    string      `json:"customer"`
	WindowStart bank.Micros `json:"window_start,omitempty"` // customer_windows only
	IntendedUS  int64       `json:"intended_us"`
	SentUS      int64       `json:"sent_us"`
	AnsweredUS  int64       `json:"answered_us"` // with an error: when it failed
	Error       string      `json:"error,omitempty"`
	Found       bool        `json:"found"` // the view had a row

	Transactions  int64       `json:"transactions"`
	AmountPaise   bank.Paise  `json:"amount_paise"`
	MaxBalance    *bank.Paise `json:"max_balance_paise"`
	AverageAmount string      `json:"average_amount,omitempty"` // decimal rupees, two digits
	TopLocation   *string     `json:"top_location"`
	Segment       string      `json:"segment,omitempty"`
	LastEventTime bank.Micros `json:"last_event_time,omitempty"`
}
