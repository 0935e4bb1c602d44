package oracle

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"lkbench/internal/bank"
	"lkbench/loadgen"
)

var start2016 = time.Date(2016, 8, 1, 10, 0, 0, 0, time.UTC)

func clock(d time.Duration) string { return start2016.Add(d).Format(time.RFC3339Nano) }

// oddStream is a stream with everything that can be odd in it, and with the cases on both sides of every boundary that the
// mutations move. Partition 3 holds nothing but the cases that depend on its newest event time.
func oddStream(lambda bool) *bed {
	b := &bed{rules: bank.DefaultRules(), lambda: lambda}
	random := rand.New(rand.NewPCG(1, 2))
	script, timed := boundaryCases(), timedCases()
	money := func(top int) string {
		v := random.IntN(2*top) - top/4
		return fmt.Sprintf("%.2f", float64(v)/100)
	}
	for n := 0; n < 1500; n++ {
		now := time.Duration(n) * 4 * time.Second
		switch {
		case n%6 == 3 && len(script) > 0:
			s := script[0]
			script = script[1:]
			value := s.value
			if value == "" {
				value = event(n, s.customer, s.amount, s.balance, s.location, clock(now/time.Hour*time.Hour+s.at))
			}
			b.add(int32(len(s.customer))%3, s.customer, strings.ReplaceAll(value, "<id>", string(loadgen.AppendID(nil, uint64(n)))))
		case n%20 == 4 && len(timed) > 0:
			c := timed[0]
			timed = timed[1:]
			if c.again > 0 {
				b.again(b.find(3, c.again-1))
			} else {
				b.add(3, c.customer, event(n, c.customer, "1.00", "null", "null", clock(c.at)))
			}
		case n > 100 && random.IntN(40) == 0:
			b.again(n - 1 - random.IntN(60))
			if b.turns[n].partition == 3 {
				b.turns[n] = b.turns[0]
			}
		default:
			who := random.IntN(30)
			customer, at := fmt.Sprintf("C%02d", who), now
			switch random.IntN(12) {
			case 0, 1:
				at -= time.Duration(random.IntN(240)) * time.Second
			case 2:
				at -= 10 * time.Minute
			}
			balance := money(2_000_000)
			if random.IntN(10) == 0 {
				balance = "null"
			}
			location := []string{"PUNE", "AGRA", "agra", "NEW DELHI, WEST", `"SECTOR 5"`, "null", ""}[random.IntN(7)]
			b.add(int32(who%3), customer, event(n, customer, money(3_000_000), balance, location, clock(max(at, 0))))
		}
		switch t := &b.turns[n]; {
		case n%97 == 0:
			t.status = loadgen.Indeterminate
		case n%101 == 0 && t.partition != 3:
			t.status, t.copies = loadgen.Indeterminate, 0
		case n%211 == 0 && t.partition != 3:
			t.status, t.copies = loadgen.Indeterminate, 2
		case n%6 == 0 && n > 1400:
			t.status, t.copies = loadgen.NotSent, 0
		}
	}
	return b
}

// find returns the turn of the so many-th record of a partition.
func (b *bed) find(partition int32, offset int) int {
	for n, t := range b.turns {
		if t.partition == partition {
			if offset == 0 {
				return n
			}
			offset--
		}
	}
	panic("no such record")
}

type boundaryCase struct {
	customer, amount, balance, location string
	at                                  time.Duration // within the hour, so that the case falls into one window
	value                               string        // instead of all of these
}

// boundaryCases are events of customers who have no others.
func boundaryCases() (cases []boundaryCase) {
	one := func(customer, amount, balance, location string) {
		cases = append(cases, boundaryCase{customer: customer, amount: amount, balance: balance, location: location})
	}
	raw := func(customer, value string) {
		cases = append(cases, boundaryCase{customer: customer, value: value})
	}
	many := func(n int, customer, amount, balance, location string) {
		for range n {
			one(customer, amount, balance, location)
		}
	}
	// high_value_relative
	one("Brel", "500.00", "1000.00", "null")
	one("Brel2", "500.01", "1000.00", "null")
	// high_value_absolute
	one("Babs", "50000.00", "null", "null")
	one("Babs2", "50000.01", "null", "null")
	one("Babs3", "-50000.00", "null", "null")
	one("Babs4", "-50000.01", "null", "null")
	// overdraft_attempt
	one("Bover", "10.00", "10.00", "null")
	one("Bover2", "10.01", "10.00", "null")
	one("Bover3", "9.99", "10.00", "null")
	// velocity
	many(2, "Bvel2", "1.00", "null", "null")
	many(3, "Bvel3", "1.00", "null", "null")
	many(5, "Bvel5", "1.00", "null", "null")
	// segments
	one("Bseg", "15000.00", "null", "null")
	one("Bseg1", "15000.01", "null", "null")
	many(2, "Bseg22", "15000.00", "null", "null")
	one("Bseg22", "15000.01", "null", "null")
	many(10, "Bfreq", "5.00", "null", "null")
	many(11, "Bfreq1", "5.00", "null", "null")
	many(12, "Bfreq12", "20000.00", "null", "null")
	// top_location
	one("Btie", "1.00", "null", "PUNE")
	one("Btie", "1.00", "null", "AGRA")
	one("Btie2", "1.00", "null", "agra")
	one("Btie2", "1.00", "null", "Zirakpur")
	many(3, "Bloc", "1.00", "null", "null")
	one("Bloc", "1.00", "null", "PUNE")
	many(2, "Bloc2", "1.00", "null", "")
	// average_amount: 0.5 paise above and below zero, 100.5 paise, and a mean below half a paisa
	one("Bavg", "0.01", "null", "null")
	one("Bavg", "0.00", "null", "null")
	one("Bavg2", "-0.01", "null", "null")
	one("Bavg2", "0.00", "null", "null")
	one("Bavg33", "1.00", "null", "null")
	one("Bavg33", "1.01", "null", "null")
	one("Bavg4", "-0.01", "null", "null")
	many(2, "Bavg4", "0.00", "null", "null")
	// max_balance_paise
	one("Bbal", "-9.00", "-5.00", "null")
	one("Bbal", "-9.00", "-7.00", "null")
	one("Bbal2", "1.00", "null", "null")
	one("Bbal2", "1.00", "20.00", "null")
	// numbers
	one("Bnum", "1.005", "null", "null")
	one("Bnum2", "-1.005", "12.3450000000000000000001", "null")
	one("Bnum3", "1e2", "1.5E-1", "null")
	one("Bnum4", "99999999999.99", "-100000000000.00", "null")
	one("Bnum5", "0.0049999999999999999999999", "0e999", "null")
	// records that are odd but well-formed
	ok := `{"TransactionID":"<id>","CustomerID":"%s","TransactionAmountINR":7,"EventTime":"2016-08-01T10:00:00%s"%s}`
	raw("Btime", fmt.Sprintf(ok, "Btime", ".1234569Z", ""))
	raw("Btime2", fmt.Sprintf(ok, "Btime2", "+05:30", ""))
	raw("Bcase", fmt.Sprintf(ok, "Bcase", "Z", `,"transactionamountinr":5`))
	raw("Brep", fmt.Sprintf(ok, "Brep", "Z", `,"TransactionAmountINR":8`))
	raw("Besc", fmt.Sprintf(ok, "Besc", "Z", `,"CustLocation":"\u0041GRA","note":{"a":[1,null]}`))
	raw("Bspace", " \n"+fmt.Sprintf(ok, "Bspace", "Z", ` , "CustGender" : null`)+"\t\n")
	// malformed records
	raw("M0", fmt.Sprintf(ok, "M0", "Z", `,"TransactionAmountINR":null`))
	raw("M1", fmt.Sprintf(ok, "M1", "Z", `,"CustLocation":"`+strings.Repeat("x", 257)+`"`))
	raw("M2", fmt.Sprintf(ok, "M2", "Z", ``)+" x")
	raw("M3", fmt.Sprintf(ok, "M3", "Z", `,"CustLocation":"`+"\xff"+`"`))
	raw("M4", fmt.Sprintf(ok, "M4", "Z", `,"CustLocation":"\u0000"`))
	raw("M5", fmt.Sprintf(ok, "", "Z", ``))
	raw("M6", fmt.Sprintf(ok, "M6", "Z", `,"TransactionAmountINR":100000000000.005`))
	raw("M7", fmt.Sprintf(ok, "M7", "", ``))
	raw("M8", `null`)
	raw("M9", ``)
	return cases
}

// timedCases are what stands in partition 3, in order. again repeats the record at that place, counted from one.
func timedCases() []struct {
	customer string
	at       time.Duration
	again    int
} {
	m, s, h := time.Minute, time.Second, time.Hour
	return []struct {
		customer string
		at       time.Duration
		again    int
	}{
		{"Z1", 0, 0},
		{"Z1", 7 * m, 0},
		{"Z1", 4*m + 59*s, 0}, // window ends exactly where the watermark stands: late
		{"Z1", 11*m + 59*s, 0},
		{"Z2", 9*m + 59*s, 0}, // window ends a second after the watermark: not late
		{"Z2", 5 * m, 0},      // the first instant of a window
		{"Z1", h + 11*m + 59*s, 0},
		{"", 0, 4}, // t is exactly at the horizon: a duplicate
		{"Z1", h + 12*m, 0},
		{"", 0, 4}, // beyond it: counted by a stream, never by a batch
		{"Z3", h + 12*m, 0},
		{"Z3", h + 12*m + s, 0},
		{"", 0, 1}, // beyond the cut of oddStream: counted
		{"Z4", h + 12*m + s, 0},
	}
}
