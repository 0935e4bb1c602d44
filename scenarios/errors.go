package scenarios

import (
	"fmt"
	"slices"
	"strings"
)

// Error is everything that is wrong with a scenario, or with the name it was asked for by. Each problem is one line that
// says where it is, which field it concerns, what was found and what was expected.
type Error struct{ Problems []string }

func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

func errorf(format string, args ...any) *Error {
	return &Error{Problems: []string{fmt.Sprintf(format, args...)}}
}

// didYouMean names the known name nearest to a wrong one, if one is near, and all that are known.
func didYouMean(wrong string, known []string) string {
	return suggest(wrong, known) + "expected " + oneOf(known)
}

// suggest is a question that names the nearest known name, or empty.
func suggest(wrong string, known []string) string {
	if near, ok := nearest(wrong, known); ok {
		return "did you mean " + near + "? "
	}
	return ""
}

func oneOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// nearest finds the known name with the fewest edits from a wrong one, of equal ones rather one of the same length, unless
// it takes so many edits that the likeness is chance.
func nearest(wrong string, known []string) (string, bool) {
	if len(wrong) > 64 {
		return "", false
	}
	best, least := "", 2*(len(wrong)/3+1)+2
	for _, name := range known {
		cost := 2 * distance(strings.ToLower(wrong), name)
		if len(name) != len(wrong) {
			cost++
		}
		if cost < least {
			best, least = name, cost
		}
	}
	return best, best != ""
}

// distance is the least number of insertions, deletions, replacements and swaps of neighbours that make a into b.
func distance(a, b string) int {
	twoUp, up := []int(nil), make([]int, len(b)+1)
	for j := range up {
		up[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := slices.Clone(up)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := up[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(up[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], twoUp[j-2]+1)
			}
		}
		twoUp, up = up, row
	}
	return up[len(b)]
}
