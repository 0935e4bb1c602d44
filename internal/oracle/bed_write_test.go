package oracle

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lkbench/loadgen"
	"lkbench/results"
)

// write puts the evidence into a folder as a run leaves it.
func (e *evidence) write(t testing.TB, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "evidence"), 0o755); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if path := filepath.Join(dir, ledgerFile); e.ledgerFrom != "" {
		must(os.Symlink(e.ledgerFrom, path))
	} else {
		must(e.writeLedger(path))
	}
	for name, write := range e.files() {
		must(save(dir, name, write))
	}
}

func (e *evidence) writeLedger(path string) error {
	ledger, err := loadgen.NewLedgerWriter(path, uint64(len(e.ledger)))
	if err != nil {
		return err
	}
	for n, entry := range e.ledger {
		if entry.Status == loadgen.NotSent {
			continue
		}
		ledger.Sent(uint64(n), entry.Delay)
		if entry.Status == loadgen.Acknowledged {
			ledger.Acked(uint64(n), entry.Partition, entry.Offset, entry.Ack)
		} else {
			ledger.Failed(uint64(n))
		}
	}
	return ledger.Close()
}

// files are the writers of the files in the folder evidence.
func (e *evidence) files() map[string]func(io.Writer) error {
	files := map[string]func(io.Writer) error{
		topicFile: packed(func(w io.Writer) error {
			out, err := newTopicWriter(w, e.starts)
			for _, p := range slices.Sorted(maps.Keys(e.topic)) {
				if err == nil {
					err = out.write(p, e.topic[p])
				}
			}
			if err == nil {
				err = out.close()
			}
			return err
		}),
		deadLettersFile: func(w io.Writer) error {
			out := csv.NewWriter(w)
			for _, d := range e.dead {
				if err := out.Write(d[:]); err != nil {
					return err
				}
			}
			out.Flush()
			return out.Error()
		},
		probesFile: func(w io.Writer) error {
			out := json.NewEncoder(w)
			for _, a := range e.probes {
				if err := out.Encode(a); err != nil {
					return err
				}
			}
			return nil
		},
		progressFile: func(w io.Writer) error {
			component := "stream"
			if e.cut != nil {
				component = "speed"
			}
			return json.NewEncoder(w).Encode(map[string]any{
				"positions": []map[string]any{{"component": component, "late": e.late}, {"component": "ingest", "late": 0}},
				"cut":       e.cut,
			})
		},
	}
	for i, v := range evidenceViews {
		files[v.file()] = packed(func(w io.Writer) error {
			var out bytes.Buffer
			for _, row := range e.views[i] {
				for c, text := range row {
					if c > 0 {
						out.WriteByte(',')
					}
					switch {
					case text == null:
					case text == "" || strings.ContainsAny(text, "\",\r\n"):
						out.WriteString(`"` + strings.ReplaceAll(text, `"`, `""`) + `"`)
					default:
						out.WriteString(text)
					}
				}
				out.WriteByte('\n')
			}
			_, err := w.Write(out.Bytes())
			return err
		})
	}
	return files
}

// judge writes the evidence and judges it.
func (b *bed) judge(t testing.TB, e *evidence) *Judgement {
	t.Helper()
	return b.judgeChange(t, e, nil)
}

// judgeChange is judge for a run in which the rules changed.
func (b *bed) judgeChange(t testing.TB, e *evidence, change *Change) *Judgement {
	t.Helper()
	dir := t.TempDir()
	e.write(t, dir)
	j, err := Judge(dir, JudgeConfig{Rules: b.rules, Change: change, Source: b, Schedule: b})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// verdict is what the record of a run, sound in every other way, would say.
func verdict(j *Judgement) results.Verdict {
	c := j.Correctness
	return results.Decide(&results.Record{Correctness: c, Drained: true})
}

// event writes a record's value. Money is JSON as it stands; location "null" is NULL.
func event(id int, customer, amount, balance, location, at string) string {
	place := strconv.Quote(location)
	if location == "null" {
		place = location
	}
	return fmt.Sprintf(`{"TransactionID":"%s","CustomerID":%q,"CustomerDOB":"1984-02-29","CustGender":"F","CustLocation":%s,"CustAccountBalance":%s,"TransactionAmountINR":%s,"EventTime":%q}`,
		loadgen.AppendID(nil, uint64(id)), customer, place, balance, amount, at)
}
