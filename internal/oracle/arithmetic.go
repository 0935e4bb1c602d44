package oracle

import "lkbench/internal/bank"

// floorTo is the greatest multiple of step not above t.
func floorTo(t, step int64) int64 {
	rest := t % step
	if rest < 0 {
		rest += step
	}
	return t - rest
}

// segment names a customer's segment.
func segment(rules *bank.Rules, transactions, amount int64) string {
	switch {
	case amount > int64(rules.PremiumPaise)*transactions:
		return "premium"
	case transactions > rules.FrequentCount:
		return "frequent"
	}
	return "standard"
}

// average is amount/transactions in paise, rounded half away from zero.
func average(amount, transactions int64) int64 {
	quotient, rest := amount/transactions, amount%transactions
	switch {
	case rest >= transactions-rest:
		return quotient + 1
	case -rest >= transactions+rest:
		return quotient - 1
	}
	return quotient
}

// dictionary numbers texts in the order of their first appearance.
type dictionary struct {
	numbers map[string]uint32
	texts   []string
}

func newDictionary() dictionary { return dictionary{numbers: map[string]uint32{}} }

func (d *dictionary) number(text []byte) uint32 {
	if n, known := d.numbers[string(text)]; known {
		return n
	}
	n := uint32(len(d.texts))
	s := string(text)
	d.numbers[s] = n
	d.texts = append(d.texts, s)
	return n
}

func (d *dictionary) text(n uint32) string { return d.texts[n] }
