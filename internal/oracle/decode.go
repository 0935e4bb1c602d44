package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-faster/jx"

	"lkbench/internal/bank"
)

// decoder turns record values into transactions by section 1 of docs/workload.md. It is not safe for concurrent use.
type decoder struct {
	jx jx.Decoder
}

// decode returns the transaction in a record's value, or why the value is malformed. The transaction may refer to the
// value's bytes.
//
// A plain record is read by jx. Everything that could be read in two ways (escapes, unknown or repeated fields) and
// everything jx refuses goes to encoding/json, so that only one reader ever decides that a record is malformed.
func (d *decoder) decode(value []byte) (bank.Transaction, error) {
	if !utf8.Valid(value) {
		return bank.Transaction{}, errors.New("not valid UTF-8")
	}
	if tx, ok := d.plain(value); ok {
		return tx, nil
	}
	return decodeAny(value)
}

// The fields of a record, as bits of a set.
const (
	fieldID = 1 << iota
	fieldCustomer
	fieldDOB
	fieldGender
	fieldLocation
	fieldBalance
	fieldAmount
	fieldEventTime

	required = fieldID | fieldCustomer | fieldAmount | fieldEventTime
)

// fieldOf returns the bit of a field's name, 0 for an unknown one.
func fieldOf(name []byte) int {
	switch string(name) {
	case "TransactionID":
		return fieldID
	case "CustomerID":
		return fieldCustomer
	case "CustomerDOB":
		return fieldDOB
	case "CustGender":
		return fieldGender
	case "CustLocation":
		return fieldLocation
	case "CustAccountBalance":
		return fieldBalance
	case "TransactionAmountINR":
		return fieldAmount
	case "EventTime":
		return fieldEventTime
	}
	return 0
}

// plain reads a record without escapes whose fields are all known, each there once. It reports false for any other.
func (d *decoder) plain(value []byte) (tx bank.Transaction, ok bool) {
	if bytes.IndexByte(value, '\\') >= 0 {
		return tx, false
	}
	d.jx.ResetBytes(value)
	fields, err := d.jx.ObjIter()
	if err != nil {
		return tx, false
	}
	seen := 0
	for fields.Next() {
		field := fieldOf(fields.Key())
		if field == 0 || seen&field != 0 {
			return tx, false
		}
		seen |= field
		raw, err := d.jx.Raw()
		if err != nil || setField(&tx, field, raw, unquotePlain) != nil {
			return tx, false
		}
	}
	if fields.Err() != nil || d.jx.Skip() != io.EOF || seen&required != required {
		return tx, false
	}
	return tx, true
}

// decodeAny reads any record, plain or not.
func decodeAny(value []byte) (tx bank.Transaction, err error) {
	if trimmed := bytes.TrimLeft(value, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return tx, errors.New("not a JSON object")
	}
	// A map takes names exactly as they are, and of a repeated one the last.
	var object map[string]json.RawMessage
	if err := json.Unmarshal(value, &object); err != nil {
		return tx, fmt.Errorf("not JSON: %w", err)
	}
	seen := 0
	for name, raw := range object {
		field := fieldOf([]byte(name))
		if field == 0 {
			continue
		}
		seen |= field
		if err := setField(&tx, field, raw, unquoteAny); err != nil {
			return tx, fmt.Errorf("%s: %w", name, err)
		}
	}
	if seen&required != required {
		return tx, errors.New("a required field is absent")
	}
	return tx, nil
}

// setField puts one JSON value into its place in tx.
func setField(tx *bank.Transaction, field int, raw []byte, unquote func([]byte) ([]byte, error)) (err error) {
	null := string(raw) == "null"
	if null && required&field != 0 {
		return errors.New("null")
	}
	switch field {
	case fieldAmount:
		tx.Amount, err = parsePaise(raw)
		return err
	case fieldBalance:
		if null {
			return nil
		}
		tx.Balance, err = parsePaise(raw)
		tx.HasBalance = err == nil
		return err
	}
	var text []byte
	if !null {
		if text, err = unquote(raw); err != nil {
			return err
		}
	}
	if field == fieldEventTime {
		tx.EventTime, err = parseTime(text)
		return err
	}
	if len(text) > bank.MaxText {
		return fmt.Errorf("longer than %d bytes", bank.MaxText)
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return errors.New("contains U+0000")
	}
	if len(text) == 0 {
		text = nil
		if required&field != 0 {
			return errors.New("empty")
		}
	}
	switch field {
	case fieldID:
		tx.ID = text
	case fieldCustomer:
		tx.Customer = text
	case fieldDOB:
		tx.DOB = text
	case fieldGender:
		tx.Gender = text
	case fieldLocation:
		tx.Location = text
	}
	return nil
}

var errNotString = errors.New("not a string")

// unquotePlain is for a string without escapes that a JSON reader has accepted.
func unquotePlain(raw []byte) ([]byte, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return nil, errNotString
	}
	return raw[1 : len(raw)-1], nil
}

func unquoteAny(raw []byte) ([]byte, error) {
	if len(raw) == 0 || raw[0] != '"' {
		return nil, errNotString
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, err
	}
	return []byte(text), nil
}
