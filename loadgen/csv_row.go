package loadgen

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lkbench/internal/bank"
)

// render appends key and JSON fragment of a row and returns the row's own time, or what is wrong with it; then what it appended is
// of no use.
func (t *table) render(values *[columnCount]string) (at bank.Micros, defect string) {
	day, ok := parseDate(values[columnDate], time.Time{})
	if !ok {
		return 0, fmt.Sprintf("TransactionDate is %.20q, expected DD-MM-YYYY, DD/MM/YYYY or D/M/YY", values[columnDate])
	}
	clock, ok := parseClock(values[columnTime])
	if !ok {
		return 0, fmt.Sprintf("TransactionTime is %.20q, expected HHMMSS", values[columnTime])
	}
	dob := values[columnDOB]
	if dob != "" {
		born, ok := parseDate(dob, day)
		if !ok {
			return 0, fmt.Sprintf("CustomerDOB is %.20q, expected DD-MM-YYYY, DD/MM/YYYY or D/M/YY", dob)
		}
		dob = born.Format(time.DateOnly)
	}
	for c, v := range values {
		if !utf8.ValidString(v) {
			return 0, columnNames[c][0] + " is not UTF-8"
		}
	}

	t.text = append(t.text, values[columnCustomer]...)
	key := len(t.text)
	t.text = appendText(append(t.text, `,"CustomerID":`...), values[columnCustomer])
	for _, f := range []struct{ name, value string }{
		{"CustomerDOB", dob}, {"CustGender", values[columnGender]}, {"CustLocation", values[columnLocation]},
	} {
		t.text = fmt.Appendf(t.text, `,"%s":`, f.name)
		t.text = appendText(t.text, f.value)
	}
	for _, f := range []struct{ name, value string }{
		{"CustAccountBalance", values[columnBalance]}, {"TransactionAmountINR", values[columnAmount]},
	} {
		if strings.Trim(f.value, "0123456789.+-eE") != "" { // nothing else may get into the JSON; whether it is a number, Decode says below
			return 0, fmt.Sprintf("%s is %.30q, expected a number", f.name, f.value)
		}
		t.text = fmt.Appendf(t.text, `,"%s":%s`, f.name, number(f.value))
	}

	// What a well-formed record is, is defined in one place.
	whole := append([]byte(`{"TransactionID":"T"`), t.text[key:]...)
	whole = append(whole, `,"EventTime":"2016-08-01T00:00:00Z"}`...)
	if err := bank.Decode(whole, new(bank.Transaction)); err != nil {
		return 0, fmt.Sprintf("%v (balance %.30q, amount %.30q)", err, values[columnBalance], values[columnAmount])
	}
	return bank.Micros(day.Add(clock).UnixMicro()), ""
}

// appendText appends a JSON string, or null for the empty one.
func appendText(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '"' || s[i] == '\\' || s[i] >= utf8.RuneSelf {
			quoted, _ := json.Marshal(s) // a string can always be marshalled
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// number turns a decimal number as spreadsheets write it into JSON's form: no plus, no superfluous zeros before it, at least one
// digit before the point and after it. What is no number stays none. Nothing becomes null.
func number(s string) string {
	if s == "" {
		return "null"
	}
	sign := ""
	switch s[0] {
	case '-':
		sign, s = "-", s[1:]
	case '+':
		s = s[1:]
	}
	for len(s) > 1 && s[0] == '0' && s[1] >= '0' && s[1] <= '9' {
		s = s[1:]
	}
	if strings.HasPrefix(s, ".") {
		s = "0" + s
	}
	return sign + strings.TrimSuffix(s, ".")
}

// parseDate reads a day, month and year of two or four digits, between dashes or slashes. A year of two digits is in this century,
// unless that would be after notAfter (if given): then in the last one.
func parseDate(s string, notAfter time.Time) (time.Time, bool) {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '-' || r == '/' })
	if len(parts) != 3 || len(s) != len(parts[0])+len(parts[1])+len(parts[2])+2 || len(parts[0]) > 2 || len(parts[1]) > 2 || len(parts[2]) != 2 && len(parts[2]) != 4 {
		return time.Time{}, false
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return time.Time{}, false
		}
		n[i] = int(v)
	}
	if len(parts[2]) == 2 {
		n[2] += 2000
		if !notAfter.IsZero() && time.Date(n[2], time.Month(n[1]), n[0], 0, 0, 0, 0, time.UTC).After(notAfter) {
			n[2] -= 100
		}
	}
	day := time.Date(n[2], time.Month(n[1]), n[0], 0, 0, 0, 0, time.UTC)
	// time.Date carries what is too much over to the next month or year.
	return day, day.Day() == n[0] && int(day.Month()) == n[1] && n[2] >= 1
}

// parseClock reads HHMMSS, whose leading zeros may be missing.
func parseClock(s string) (time.Duration, bool) {
	v, err := strconv.ParseUint(s, 10, 32)
	h, m, sec := v/10000, v/100%100, v%100
	if err != nil || len(s) > 6 || h > 23 || m > 59 || sec > 59 {
		return 0, false
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec)*time.Second, true
}
