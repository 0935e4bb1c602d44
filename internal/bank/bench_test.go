package bank

import (
	"encoding/json"
	"testing"
)

const usual = `{"TransactionID":"T00000012345","CustomerID":"C5841053","CustomerDOB":"1994-01-10","CustGender":"F","CustLocation":"JAMSHEDPUR","CustAccountBalance":17819.05,"TransactionAmountINR":25,"EventTime":"2016-08-02T14:32:07.25Z"}`

const shuffled = `{"EventTime":"2016-08-02T14:32:07.25Z","CustLocation":"JAMSHEDPUR","TransactionID":"T00000012345","CustGender":"F","TransactionAmountINR":25,"CustomerID":"C5841053","CustAccountBalance":17819.05,"CustomerDOB":"1994-01-10"}`

func BenchmarkDecode(b *testing.B) {
	var t Transaction
	for name, value := range map[string][]byte{"usual order": []byte(usual), "other order": []byte(shuffled)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !decodePlain(value, &t) {
					b.Fatal("declined")
				}
			}
		})
	}
	b.Run("reference", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := decodeReference([]byte(usual), &t); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v struct {
				TransactionID, CustomerID, CustomerDOB, CustGender, CustLocation string
				CustAccountBalance, TransactionAmountINR                         json.Number
				EventTime                                                        string
			}
			if err := json.Unmarshal([]byte(usual), &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendTime(b *testing.B) {
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for m := Micros(1470148327250000); b.Loop(); m += 777 {
		buf = AppendTime(buf[:0], m)
	}
}

func BenchmarkParseTime(b *testing.B) {
	s := []byte("2016-08-02T14:32:07.25Z")
	for b.Loop() {
		if _, defect := parseTime(s); defect != "" {
			b.Fatal(defect)
		}
	}
}
