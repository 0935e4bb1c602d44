package proc

import "testing"

func TestParseStat(t *testing.T) {
	const rest = " 42 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 123456 9 9"
	tests := []struct {
		name, stat string
		want       entry
		fails      bool
	}{
		{"plain", "9 (sh) S" + rest, entry{Identity{9, "123456"}, 42, false}, false},
		{"zombie", "9 (sh) Z" + rest, entry{Identity{9, "123456"}, 42, true}, false},
		{"command like the rest", "9 (a) Z 1 (b c)) R" + rest, entry{Identity{9, "123456"}, 42, false}, false},
		{"cut off", "9 (sh) S 42 7", entry{}, true},
		{"empty", "", entry{}, true},
		{"no parent", "9 (sh) S x 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 123456", entry{}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseStat(9, test.stat)
			if got != test.want || (err != nil) != test.fails {
				t.Errorf("got %+v, %v; want %+v, fails %v", got, err, test.want, test.fails)
			}
		})
	}
}
