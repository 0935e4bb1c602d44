package oracle

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	"lkbench/internal/bank"
	"lkbench/results"
)

// answer is one line of probes.jsonl: a probe query and what came back. Times ending in US are microseconds since the
// origin of the run.
type answer struct {
	View        string `json:"view"`
	Customer    string `json:"customer"`
	WindowStart int64  `json:"window_start"`
	IntendedUS  int64  `json:"intended_us"`
	SentUS      int64  `json:"sent_us"`
	AnsweredUS  int64  `json:"answered_us"`
	Error       string `json:"error"`

	Found         bool    `json:"found"`
	Transactions  int64   `json:"transactions"`
	AmountPaise   int64   `json:"amount_paise"`
	MaxBalance    *int64  `json:"max_balance_paise"`
	AverageAmount string  `json:"average_amount"`
	TopLocation   *string `json:"top_location"`
	Segment       string  `json:"segment"`
	LastEventTime int64   `json:"last_event_time"`
}

// readAnswers reads probes.jsonl.
func readAnswers(r io.Reader, name string) ([]answer, error) {
	var answers []answer
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", name, len(answers)+1, err)
		}
		if a.View != viewProfiles.name && a.View != viewWindows.name {
			return nil, fmt.Errorf("%s line %d: view is %q, expected %s or %s", name, len(answers)+1, a.View, viewProfiles.name, viewWindows.name)
		}
		answers = append(answers, a)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s line %d: %w", name, len(answers)+1, err)
	}
	return answers, nil
}

// history is what a stream layer has counted of one probed customer, in log order.
type history struct {
	events   []counted
	byWindow map[int64][]counted // made when first asked for
}

// window returns the events in one window.
func (h *history) window(start int64) []counted {
	if h.byWindow == nil {
		h.byWindow = map[int64][]counted{}
		for _, e := range h.events {
			h.byWindow[e.windowStart] = append(h.byWindow[e.windowStart], e)
		}
	}
	return h.byWindow[start]
}

// counted is one event of a history.
type counted struct {
	n           uint64 // turn in the ledger; noTurn for a foreign record
	at          int64
	windowStart int64
	amount      int64
	balance     int64
	location    int32 // -1: missing
	hasBalance  bool
	repeated    bool // the batch layer will not count it
}

// remember puts a counted transaction into its customer's history.
func (f *fold) remember(customer uint32, n uint64, windowStart int64, repeated bool, tx *bank.Transaction) {
	h := f.histories[customer]
	if h == nil {
		h = &history{}
		f.histories[customer] = h
	}
	location := int32(-1)
	if tx.Location != nil {
		location = int32(f.locations.number(tx.Location))
	}
	h.events = append(h.events, counted{
		n: n, at: int64(tx.EventTime), windowStart: windowStart, amount: int64(tx.Amount),
		balance: int64(tx.Balance), hasBalance: tx.HasBalance, location: location, repeated: repeated,
	})
}

// moments are the times of an event, in microseconds since the origin.
type moments struct {
	intended, sent int64
	acked          int64 // never if it was not acknowledged
}

const never = math.MaxInt64

func micros(v int64) time.Duration { return time.Duration(v) * time.Microsecond }

// AnswerKind is how one answer to a probe query came out.
type AnswerKind string

// The kinds of an Answer.
const (
	AnswerRight  AnswerKind = "right"  // nothing acknowledged was missing
	AnswerStale  AnswerKind = "stale"  // right for an earlier prefix of the customer's events
	AnswerWrong  AnswerKind = "wrong"  // right for none, or under rules that were not in force
	AnswerFailed AnswerKind = "failed" // no answer
)

// Answer is one judged answer to a probe query. Times count from the origin.
type Answer struct {
	Intended time.Duration // when it was to be asked
	At       time.Duration // when the answer came, or the query had failed
	Kind     AnswerKind
	Age      time.Duration // of the oldest acknowledged event that it lacks; of a right or stale one
}

// probeTally is the outcome of holding the answers against the histories.
type probeTally struct {
	answers, right, stale, wrong, failed int64
	wrongSeconds                         int64
	freshness                            *results.Histogram
	differences                          differences
	all                                  []Answer
	firstNew, lastOld                    *time.Duration
}

// question is what several answers have in common.
type question struct {
	view, customer string
	windowStart    int64
}

// judgeAnswers holds every answer against the prefixes of its customer's history. Freshness is recorded for answers
// whose query was intended after warm-up.
func judgeAnswers(answers []answer, folds []*fold, times func(n uint64) moments, cfg JudgeConfig) probeTally {
	t := probeTally{freshness: results.NewHistogram()}
	versions := cfg.versions()
	byQuestion := map[question][]int{}
	for i, a := range answers {
		if a.Error != "" {
			t.failed++
			continue
		}
		q := question{a.View, a.Customer, a.WindowStart}
		byQuestion[q] = append(byQuestion[q], i)
	}
	outcomes := make([]outcome, len(answers))
	for q, asked := range byQuestion {
		judgeQuestion(q, answers, asked, outcomes, folds, &versions, times)
	}
	if cfg.Change != nil {
		t.firstNew, t.lastOld = cfg.Change.settle(answers, outcomes)
	}
	wrongSeconds := map[int64]bool{}
	for i, a := range answers {
		judged := Answer{Intended: micros(a.IntendedUS), At: micros(a.AnsweredUS), Kind: AnswerFailed}
		if a.Error != "" {
			t.all = append(t.all, judged)
			continue
		}
		t.answers++
		o := &outcomes[i]
		age, right := o.right()
		if !right {
			t.wrong++
			judged.Kind = AnswerWrong
			t.all = append(t.all, judged)
			wrongSeconds[a.AnsweredUS/1e6] = true
			t.differences.add("probe of "+a.View, kindWrong, func() (key, expected, observed string) {
				key = fmt.Sprintf("%s at %.6fs", a.Customer, float64(a.AnsweredUS)/1e6)
				if a.View == viewWindows.name {
					key = fmt.Sprintf("%s %s", instant(a.WindowStart), key)
				}
				return key, o.best, a.String()
			})
			continue
		}
		judged.Kind, judged.Age = AnswerStale, micros(age)
		if age == 0 {
			judged.Kind = AnswerRight
			t.right++
		} else {
			t.stale++
		}
		t.all = append(t.all, judged)
		if judged.Intended >= cfg.Schedule.WarmupEnd() {
			t.freshness.Record(judged.Age)
		}
	}
	t.wrongSeconds = int64(len(wrongSeconds))
	return t
}

// judgeQuestion judges the answers, given by index, that ask the same.
func judgeQuestion(q question, answers []answer, asked []int, outcomes []outcome, folds []*fold, rules *[2]bank.Rules, times func(uint64) moments) {
	f, all := historyOf(q, folds)
	for _, i := range asked {
		outcomes[i].best = fmt.Sprintf("at most %d transactions", len(all))
	}
	repeats := 0
	for _, e := range all {
		if e.repeated {
			repeats++
		}
	}
	// Every batch generation takes back the repetitions below its cut, which only moves forward: at any moment the
	// first so many of them are gone.
	for taken := range repeats + 1 {
		p := newPrefixes(q.view, f, rules, without(all, taken), times)
		byLength := map[int64][]int{}
		for _, i := range asked {
			length := int64(0)
			if answers[i].Found {
				length = answers[i].Transactions
			}
			byLength[length] = append(byLength[length], i)
		}
		p.walk(func(length int64) {
			for _, i := range byLength[length] {
				p.judge(&answers[i], &outcomes[i])
			}
		})
	}
}

// historyOf returns the events that a question is about and the fold they are in.
func historyOf(q question, folds []*fold) (*fold, []counted) {
	for _, f := range folds {
		customer, known := f.customers.numbers[q.customer]
		if !known || f.histories[customer] == nil {
			continue
		}
		if q.view == viewWindows.name {
			return f, f.histories[customer].window(q.windowStart)
		}
		return f, f.histories[customer].events
	}
	return nil, nil
}

// without leaves out the first so many repetitions.
func without(events []counted, repetitions int) []counted {
	if repetitions == 0 {
		return events
	}
	var rest []counted
	for _, e := range events {
		if e.repeated && repetitions > 0 {
			repetitions--
			continue
		}
		rest = append(rest, e)
	}
	return rest
}
