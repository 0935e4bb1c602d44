package bank

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// decodeReference is Decode without haste. It defines which records are well-formed and what they mean.
func decodeReference(value []byte, t *Transaction) error {
	*t = Transaction{}
	if !utf8.Valid(value) { // encoding/json would let it pass
		return &Malformed{"not UTF-8"}
	}
	var object map[string]json.RawMessage
	if !json.Valid(value) {
		return &Malformed{"not JSON"}
	}
	if err := json.Unmarshal(value, &object); err != nil || object == nil {
		return &Malformed{"not an object"}
	}
	for field, name := range fieldNames {
		raw, present := object[name]
		if !present || string(raw) == "null" {
			if requiredFields&(1<<field) != 0 {
				return &Malformed{"missing " + name}
			}
			continue
		}
		var defect string
		switch field {
		case fieldBalance:
			t.HasBalance = true
			defect = referencePaise(raw, &t.Balance)
		case fieldAmount:
			defect = referencePaise(raw, &t.Amount)
		case fieldTime:
			defect = referenceTime(raw, &t.EventTime)
		default:
			defect = t.referenceText(field, raw)
		}
		if defect != "" {
			return &Malformed{name + " " + defect}
		}
	}
	return nil
}

// The functions below return what is wrong with a value, or nothing.

func (t *Transaction) referenceText(field int, raw json.RawMessage) (defect string) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "is not a string"
	}
	if len(s) > MaxText {
		return "is longer than 256 bytes"
	}
	if strings.IndexByte(s, 0) >= 0 { // PostgreSQL's text cannot hold it
		return "contains U+0000"
	}
	if !t.setText(field, []byte(s)) {
		return "is empty"
	}
	return ""
}

func referencePaise(raw json.RawMessage, p *Paise) (defect string) {
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return "is not a number"
	}
	var ok bool
	if *p, ok = parsePaise(raw); !ok {
		return "is out of range"
	}
	return ""
}

func referenceTime(raw json.RawMessage, m *Micros) (defect string) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "is not a string"
	}
	*m, defect = parseTime([]byte(s))
	return defect
}
