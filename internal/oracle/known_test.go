package oracle

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lkbench/internal/bank"
)

// known is a small topic of one partition with its answers worked out by hand.
type known struct {
	name   string
	cut    int64
	values []string
	// rows as in a dump, times as time since start2016
	anomalies, windows, profiles []string // in the order in which they came up
	late                         int64
	dead                         []int64
}

func knownAnswers() []known {
	at := func(id int, customer, amount, balance, location string, d time.Duration) string {
		return event(id, customer, amount, balance, location, clock(d))
	}
	m, s, h := time.Minute, time.Second, time.Hour
	return []known{
		{
			name: "each rule on both sides of its threshold",
			values: []string{
				at(1, "A", "500.00", "1000.00", "PUNE", 0),
				at(2, "B", "500.01", "1000.00", "PUNE", 0),
				at(3, "C", "50000.00", "200000.00", "PUNE", 0),
				at(4, "D", "-50000.01", "200000.00", "PUNE", 0),
				at(5, "E", "10.01", "10.00", "PUNE", 0),
				at(6, "F", "70000.00", "null", "PUNE", 0),
			},
			anomalies: []string{
				"T00000000002,high_value_relative,B,0,50001,100000,NULL",
				"T00000000004,high_value_absolute,D,0,-5000001,20000000,NULL",
				"T00000000005,high_value_relative,E,0,1001,1000,NULL",
				"T00000000005,overdraft_attempt,E,0,1001,1000,NULL",
				"T00000000006,high_value_absolute,F,0,7000000,NULL,NULL",
			},
			windows: []string{"A,0,1,50000,100000", "B,0,1,50001,100000", "C,0,1,5000000,20000000", "D,0,1,-5000001,20000000", "E,0,1,1001,1000", "F,0,1,7000000,NULL"},
			profiles: []string{
				"A,1,50000,500.00,100000,PUNE,standard,0", "B,1,50001,500.01,100000,PUNE,standard,0",
				"C,1,5000000,50000.00,20000000,PUNE,premium,0", "D,1,-5000001,-50000.01,20000000,PUNE,standard,0",
				"E,1,1001,10.01,1000,PUNE,standard,0", "F,1,7000000,70000.00,NULL,PUNE,premium,0",
			},
		}, {
			name: "velocity is raised by the third in log order, once a window",
			values: []string{
				at(1, "A", "1.00", "9.00", "null", 4*m+59*s), at(2, "A", "1.00", "8.00", "null", 5*m), at(3, "A", "1.00", "7.00", "null", 0),
				at(4, "A", "1.00", "6.00", "null", 1*s), at(5, "A", "1.00", "5.00", "null", 2*s),
			},
			anomalies: []string{"T00000000004,velocity,A,1s,100,600,0"},
			windows:   []string{"A,0,4,400,900", "A,5m0s,1,100,800"},
			profiles:  []string{"A,5,500,1.00,900,NULL,standard,5m0s"},
		}, {
			name: "ties, means and segments",
			values: []string{
				at(1, "A", "15000.00", "-3.00", "agra", 0), at(2, "A", "15000.01", "-2.00", "Zirakpur", 10*m),
				at(3, "B", "-0.01", "null", "", 1*m), at(4, "B", "0.00", "null", "PUNE", 0),
			},
			windows: []string{"A,0,1,1500000,-300", "A,10m0s,1,1500001,-200", "B,0,2,-1,NULL"},
			profiles: []string{
				"A,2,3000001,15000.01,-200,Zirakpur,premium,10m0s",
				"B,2,-1,-0.01,NULL,PUNE,standard,1m0s",
			},
			anomalies: []string{
				"T00000000001,high_value_relative,A,0,1500000,-300,NULL", "T00000000001,overdraft_attempt,A,0,1500000,-300,NULL",
				"T00000000002,high_value_relative,A,10m0s,1500001,-200,NULL", "T00000000002,overdraft_attempt,A,10m0s,1500001,-200,NULL",
			},
			// A's second event moves M to 10m: the window of both of B's ended at 5m, before the watermark at 8m.
			late: 2,
		}, {
			name: "late events count; the watermark's own instant is late",
			values: []string{
				at(1, "A", "1.00", "null", "null", 7*m), at(2, "A", "2.00", "null", "null", 4*m), at(3, "A", "4.00", "null", "null", 6*m-s), at(4, "A", "8.00", "null", "null", 5*m),
			},
			anomalies: []string{"T00000000004,velocity,A,5m0s,800,NULL,5m0s"},
			windows:   []string{"A,5m0s,3,1300,NULL", "A,0,1,200,NULL"},
			profiles:  []string{"A,4,1500,3.75,NULL,NULL,standard,7m0s"},
			late:      1,
		}, {
			name: "a repetition at the horizon is a duplicate, beyond it counts again",
			values: []string{
				at(1, "A", "1.00", "null", "null", 0), at(2, "B", "1.00", "null", "null", h), at(1, "A", "1.00", "null", "null", 0),
				at(3, "B", "1.00", "null", "null", h+time.Microsecond), at(1, "A", "1.00", "null", "null", 0),
			},
			windows:  []string{"A,0,2,200,NULL", "B,1h0m0s,2,200,NULL"},
			profiles: []string{"A,2,200,1.00,NULL,NULL,standard,0", "B,2,200,1.00,NULL,NULL,standard,1h0m0.000001s"},
			late:     1,
		}, {
			name: "below the cut a repetition never counts, but the stream layer has counted it as late",
			cut:  4,
			values: []string{
				at(1, "A", "1.00", "null", "null", 0), at(2, "B", "1.00", "null", "null", 2*h),
				at(3, "B", "1.00", "null", "null", 2*h), at(1, "A", "1.00", "null", "null", 0), at(1, "A", "1.00", "null", "null", 0),
			},
			windows:  []string{"A,0,2,200,NULL", "B,2h0m0s,2,200,NULL"},
			profiles: []string{"A,2,200,1.00,NULL,NULL,standard,0", "B,2,200,1.00,NULL,NULL,standard,2h0m0s"},
			late:     2,
		}, {
			name:    "a malformed record touches nothing but the dead letters",
			values:  []string{`{`, at(1, "A", "1.00", "null", "null", 0), at(2, "A", "null", "null", "null", 9*h), `[]`},
			windows: []string{"A,0,1,100,NULL"}, profiles: []string{"A,1,100,1.00,NULL,NULL,standard,0"}, dead: []int64{0, 2, 3},
		},
	}
}

func TestKnownAnswers(t *testing.T) {
	for _, k := range knownAnswers() {
		t.Run(k.name, func(t *testing.T) {
			var d decoder
			f := newFold(bank.DefaultRules(), 3, k.cut, nil)
			for offset, value := range k.values {
				if tx, err := d.decode([]byte(value)); err != nil {
					f.malformed(int64(offset))
				} else {
					f.add(int64(offset), 0, &tx)
				}
			}
			folds := place{folds: []*fold{f}}
			for _, v := range []struct {
				view
				rows expectedRows
				want []string
			}{
				{viewAnomalies, &expectedAnomalies{folds}, k.anomalies},
				{viewWindows, &expectedWindows{folds}, k.windows},
				{viewProfiles, &expectedProfiles{folds}, k.profiles},
			} {
				var got []string
				var text rowText
				v.rows.all(func(bool) {
					text.reset()
					v.rows.render(&text)
					got = append(got, sinceStart(v.view, text.fields()))
				})
				if diff := cmp.Diff(v.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", v.name, diff)
				}
			}
			if f.late != k.late {
				t.Errorf("late: %d, want %d", f.late, k.late)
			}
			if diff := cmp.Diff(k.dead, f.deadLetters); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
		})
	}
}

// sinceStart writes a row with its times as time since start2016.
func sinceStart(v view, row []field) string {
	var out []string
	for i, f := range row {
		switch text := string(f.text); {
		case f.null:
			out = append(out, "NULL")
		case timeColumns[v.columns[i]]:
			d := time.UnixMicro(number(text)).Sub(start2016)
			if d == 0 {
				out = append(out, "0")
			} else {
				out = append(out, d.String())
			}
		default:
			out = append(out, text)
		}
	}
	return strings.Join(out, ",")
}
