package scenarios

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// String writes the duration without units that are zero at its end: 5m, not 5m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-len("0s")]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-len("0m")]
	}
	return s
}

// MarshalYAML writes the duration as it is read.
func (d Duration) MarshalYAML() ([]byte, error) { return []byte(d.String()), nil }

// AbsolutePaise is AbsoluteINR in integer paise, exactly.
func (r Rules) AbsolutePaise() int64 { return paise(r.AbsoluteINR) }

// PremiumPaise is PremiumINR in integer paise, exactly.
func (r Rules) PremiumPaise() int64 { return paise(r.PremiumINR) }

// maxRupees keeps a threshold below the greatest amount of docs/workload.md, so that an amount can lie beyond it. Its paise
// are far within what a float64 holds exactly.
const maxRupees = 99_999_999_999

// paise is exact for rupees within maxRupees that have two decimals at most.
func paise(rupees float64) int64 { return int64(math.Round(rupees * 100)) }

// hasPaise says whether rupees has two decimals at most.
func hasPaise(rupees float64) bool {
	_, decimals, _ := strings.Cut(strconv.FormatFloat(rupees, 'f', -1, 64), ".")
	return len(decimals) <= 2
}
