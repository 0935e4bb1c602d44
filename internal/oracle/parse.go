package oracle

import (
	"errors"

	"lkbench/internal/bank"
)

var errNotNumber = errors.New("not a JSON number")

// parsePaise reads a JSON number of rupees and rounds it to paise, half away from zero, from its decimal digits.
func parsePaise(raw []byte) (bank.Paise, error) {
	rest, negative := raw, false
	if len(rest) > 0 && rest[0] == '-' {
		rest, negative = rest[1:], true
	}
	whole, rest := digits(rest)
	if len(whole) == 0 || len(whole) > 1 && whole[0] == '0' {
		return 0, errNotNumber
	}
	var fraction []byte
	if len(rest) > 0 && rest[0] == '.' {
		if fraction, rest = digits(rest[1:]); len(fraction) == 0 {
			return 0, errNotNumber
		}
	}
	exponent := int64(0)
	if len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E') {
		var ok bool
		if exponent, rest, ok = parseExponent(rest[1:]); !ok {
			return 0, errNotNumber
		}
	}
	if len(rest) > 0 {
		return 0, errNotNumber
	}

	// The number is 0.d₀d₁d₂… × 10^point paise, with d₀ the first digit that is not zero.
	digit := func(i int) byte {
		if i < len(whole) {
			return whole[i]
		}
		if i -= len(whole); i < len(fraction) {
			return fraction[i]
		}
		return '0'
	}
	first, n := 0, len(whole)+len(fraction)
	for first < n && digit(first) == '0' {
		first++
	}
	if first == n {
		return 0, nil
	}
	point := int64(len(whole)-first) + exponent + 2
	if point > 14 {
		return 0, errTooLarge
	}
	if point < 0 {
		return 0, nil
	}
	paise := bank.Paise(0)
	for i := range int(point) {
		paise = paise*10 + bank.Paise(digit(first+i)-'0')
	}
	if digit(first+int(point)) >= '5' {
		paise++
	}
	if paise > bank.MaxPaise {
		return 0, errTooLarge
	}
	if negative {
		paise = -paise
	}
	return paise, nil
}

var errTooLarge = errors.New("more than 10^13 paise")

// digits splits text after its leading decimal digits.
func digits(text []byte) (head, tail []byte) {
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return text[:n], text[n:]
}

// parseExponent reads what follows the e of a number. An exponent too large for any record stays at a billion.
func parseExponent(text []byte) (value int64, rest []byte, ok bool) {
	negative := false
	if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
		negative, text = text[0] == '-', text[1:]
	}
	number, rest := digits(text)
	for _, c := range number {
		value = min(value*10+int64(c-'0'), 1_000_000_000)
	}
	if negative {
		value = -value
	}
	return value, rest, len(number) > 0
}

var errNotTime = errors.New("not a time as in RFC 3339 between the years 1 and 9999")

// parseTime reads an RFC 3339 time with offset (upper-case T and Z, seconds up to 59) and cuts what is finer than
// microseconds.
func parseTime(text []byte) (bank.Micros, error) {
	// number reads the fixed-width number at text[from:to].
	bad := len(text) < len("2006-01-02T15:04:05Z")
	number := func(from, to, low, high int) int64 {
		value := 0
		for _, c := range text[from:to] {
			if c < '0' || c > '9' {
				bad = true
			}
			value = value*10 + int(c-'0')
		}
		bad = bad || value < low || value > high
		return int64(value)
	}
	if bad || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' {
		return 0, errNotTime
	}
	year, month := number(0, 4, 1, 9999), number(5, 7, 1, 12)
	if bad {
		return 0, errNotTime
	}
	day := number(8, 10, 1, daysIn(year, month))
	hour, minute, second := number(11, 13, 0, 23), number(14, 16, 0, 59), number(17, 19, 0, 59)

	micros, rest := int64(0), text[19:]
	if rest[0] == '.' {
		var fraction []byte
		if fraction, rest = digits(rest[1:]); len(fraction) == 0 {
			return 0, errNotTime
		}
		for i := range 6 {
			micros *= 10
			if i < len(fraction) {
				micros += int64(fraction[i] - '0')
			}
		}
	}
	offset := int64(0)
	switch text = rest; {
	case string(text) == "Z":
	case len(text) == 6 && (text[0] == '+' || text[0] == '-') && text[3] == ':':
		offset = number(1, 3, 0, 23)*60 + number(4, 6, 0, 59)
		if text[0] == '-' {
			offset = -offset
		}
	default:
		return 0, errNotTime
	}
	if bad {
		return 0, errNotTime
	}
	minutes := (daysBefore(year, month)+day-1)*1440 + hour*60 + minute - offset
	return bank.Micros((minutes*60+second)*1_000_000 + micros), nil
}

func leap(year int64) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func daysIn(year, month int64) int {
	switch month {
	case 2:
		if leap(year) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysBefore is the number of days from 1970-01-01 to the first of the month.
func daysBefore(year, month int64) int64 {
	past := year - 1
	days := past*365 + past/4 - past/100 + past/400 - 719_162
	for m := int64(1); m < month; m++ {
		days += int64(daysIn(year, m))
	}
	return days
}
