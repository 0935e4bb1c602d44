package bank

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParsePaise(t *testing.T) {
	for number, want := range map[string]Paise{
		"0": 0, "-0": 0, "0.00": 0, "-0.004": 0, "0e9": 0, "0e-9": 0, "0e999999999999999999999": 0,
		"25": 2500, "-25": -2500, "25.1": 2510, "25.10": 2510, "0.01": 1, "1e3": 100_000, "1E+3": 100_000, "1.5e-1": 15,
		"0.005": 1, "0.00499999999999999999999999": 0, "-0.005": -1, "123.455": 12346, "-123.455": -12346, "1.005": 101,
		"5e-3": 1, "4.9e-3": 0, "0.5e-3": 0, "9.995": 1000, "1e-999999999999999999999": 0,
		"0." + strings.Repeat("0", 500) + "25e501": 250, "25" + strings.Repeat("0", 500) + "e-500": 2500,
		"100000000000": MaxPaise, "-100000000000": -MaxPaise, "100000000000.0049": MaxPaise, "1e11": MaxPaise,
	} {
		if got, ok := parsePaise([]byte(number)); !ok || got != want {
			t.Errorf("parsePaise(%s) = %d, %v, want %d", number, got, ok, want)
		}
	}
	for _, number := range []string{"100000000000.005", "-100000000000.01", "1e12", "184467440737095516.16", "92233720368547758.09", "1e99999999999999999999", "999999999999999999999999999"} {
		if got, ok := parsePaise([]byte(number)); ok {
			t.Errorf("parsePaise(%s) = %d, want a refusal", number, got)
		}
	}
}

// TestParsePaiseIsExact holds the conversion against arbitrary precision.
func TestParsePaiseIsExact(t *testing.T) {
	pattern := rapid.StringMatching(`-?(0|[1-9][0-9]{0,16})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?`)
	rapid.Check(t, func(t *rapid.T) {
		number := pattern.Draw(t, "number")
		exact, ok := new(big.Rat).SetString(number)
		if !ok {
			t.Fatalf("big.Rat does not take %s", number)
		}
		// Half away from zero: truncate |2 × paise| + 1, halved.
		twice := exact.Abs(exact).Mul(exact, big.NewRat(200, 1))
		want := new(big.Int).Quo(twice.Num(), twice.Denom())
		want.Rsh(want.Add(want, big.NewInt(1)), 1)
		inRange := want.Cmp(big.NewInt(int64(MaxPaise))) <= 0
		if strings.HasPrefix(number, "-") {
			want.Neg(want)
		}
		got, ok := parsePaise([]byte(number))
		if ok != inRange || ok && int64(got) != want.Int64() {
			t.Fatalf("parsePaise(%s) = %d, %v, want %v", number, got, ok, want)
		}
		if fast, end := scanPaise([]byte(number), 0); end == len(number) && fast != got {
			t.Fatalf("scanPaise(%s) = %d, parsePaise %d", number, fast, got)
		}
	})
}

func TestAppendRupees(t *testing.T) {
	for p, want := range map[Paise]string{
		0: "0", 1: "0.01", -5: "-0.05", 10: "0.1", -10: "-0.1", 99: "0.99", 100: "1", 2500: "25", 2799950: "27999.5",
		2799905: "27999.05", -100: "-1", MaxPaise: "100000000000", -MaxPaise + 1: "-99999999999.99",
	} {
		if got := string(AppendRupees(nil, p)); got != want {
			t.Errorf("AppendRupees(%d) = %s, want %s", p, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p := Paise(rapid.Int64Range(int64(-MaxPaise), int64(MaxPaise)).Draw(t, "p"))
		if back, ok := parsePaise(AppendRupees(nil, p)); !ok || back != p {
			t.Fatalf("%d reads back as %d", p, back)
		}
	})
}
