package oracle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lkbench/internal/bank"
)

// decode reads a record by way of maps, big rationals and package time.
func (m *model) decode(value []byte) (tx bank.Transaction, err error) {
	if !utf8.Valid(value) && !m.is("invalid UTF-8 taken") {
		return tx, fmt.Errorf("invalid UTF-8")
	}
	if m.is("text after the record taken") {
		value = value[:bytes.LastIndexByte(value, '}')+1]
	}
	var object map[string]any
	in := json.NewDecoder(bytes.NewReader(value))
	in.UseNumber()
	if err := in.Decode(&object); err != nil || object == nil {
		return tx, fmt.Errorf("not an object: %v", err)
	}
	if rest := bytes.TrimSpace(value[in.InputOffset():]); len(rest) > 0 {
		return tx, fmt.Errorf("text after the record")
	}
	if m.is("field names without case") {
		for name, v := range object {
			if strings.EqualFold(name, "TransactionAmountINR") && name != "TransactionAmountINR" {
				object["TransactionAmountINR"] = v
			}
		}
	}
	if m.is("first of a repeated field") {
		if at := bytes.Index(value, []byte(`"TransactionAmountINR":`)); at >= 0 {
			number, _, _ := bytes.Cut(value[at+len(`"TransactionAmountINR":`):], []byte(","))
			object["TransactionAmountINR"] = json.Number(bytes.Trim(number, "} "))
		}
	}
	text := func(name string, required bool) (out []byte) {
		v, there := object[name]
		s, isText := v.(string)
		switch {
		case v == nil && (!required):
		case !there || !isText:
			err = fmt.Errorf("%s is not a string", name)
		case len(s) > bank.MaxText && !m.is("long text taken"), strings.ContainsRune(s, 0), required && s == "":
			err = fmt.Errorf("%s cannot be taken", name)
		case s != "":
			out = []byte(s)
		}
		return out
	}
	tx.ID, tx.Customer = text("TransactionID", true), text("CustomerID", true)
	tx.DOB, tx.Gender, tx.Location = text("CustomerDOB", false), text("CustGender", false), text("CustLocation", false)
	if err != nil {
		return tx, err
	}
	if amount, there := object["TransactionAmountINR"]; there && amount == nil && m.is("null amount as zero") {
		object["TransactionAmountINR"] = json.Number("0")
	}
	if tx.Amount, err = m.money(object["TransactionAmountINR"]); err != nil {
		return tx, err
	}
	if balance := object["CustAccountBalance"]; balance != nil {
		tx.HasBalance = true
		if tx.Balance, err = m.money(balance); err != nil {
			return tx, err
		}
	}
	s, _ := object["EventTime"].(string)
	var at time.Time
	if !rfc3339.MatchString(s) { // package time takes more
		return tx, fmt.Errorf("EventTime %q", s)
	}
	if at, err = time.Parse(time.RFC3339, s); err != nil {
		return tx, err
	}
	if strings.HasPrefix(s, "0000") {
		return tx, fmt.Errorf("EventTime in the year 0")
	}
	if m.is("microseconds rounded") {
		at = at.Round(time.Microsecond)
	}
	if m.is("offset of the time ignored") {
		_, offset := at.Zone()
		at = at.Add(time.Duration(offset) * time.Second)
	}
	tx.EventTime = bank.Micros(at.UnixMicro())
	return tx, nil
}

var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func (m *model) money(v any) (bank.Paise, error) {
	number, ok := v.(json.Number)
	if !ok {
		return 0, fmt.Errorf("not a number: %v", v)
	}
	if m.is("float for money") {
		f, err := number.Float64()
		return bank.Paise(math.Round(f * 100)), err
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(string(number)), "e")
	if e, err := strconv.Atoi(exponent); exponent != "" && (err != nil || e > 1000 || e < -1000) {
		if strings.Trim(mantissa, "-0.") == "" || strings.HasPrefix(exponent, "-") {
			return 0, nil
		}
		return 0, fmt.Errorf("too large")
	}
	r, ok := new(big.Rat).SetString(string(number))
	if !ok {
		return 0, fmt.Errorf("not a number: %v", v)
	}
	r.Mul(r, big.NewRat(100, 1))
	text := r.FloatString(0) // half away from zero
	if m.is("money cut off at paise") {
		text = new(big.Int).Quo(r.Num(), r.Denom()).String()
	}
	paise, ok := new(big.Int).SetString(text, 10)
	if !ok || !paise.IsInt64() || paise.Int64() > int64(bank.MaxPaise) || paise.Int64() < -int64(bank.MaxPaise) {
		return 0, fmt.Errorf("too large")
	}
	return bank.Paise(paise.Int64()), nil
}
