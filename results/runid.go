package results

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// NewRunID names a run, e.g. "20261123-164201-kappa-spike-3f9a": ids sort by their time (UTC), and two runs of one
// second differ in the last part. Characters that do not belong in a file name become '-'.
func NewRunID(at time.Time, arch, scenario string) string {
	var random [2]byte
	rand.Read(random[:]) // never fails
	return fmt.Sprintf("%s-%s-%s-%s", at.UTC().Format("20060102-150405"), slug(arch), slug(scenario), hex.EncodeToString(random[:]))
}

// slug keeps what is safe in file names everywhere, at most 40 bytes of it.
func slug(s string) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
			return c
		}
		return '-'
	}, s)
	return s[:min(len(s), 40)]
}
