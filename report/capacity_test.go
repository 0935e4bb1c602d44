package report

import (
	"bytes"
	"image/png"
	"testing"
)

// TestCapacityPNG: a picture of the usual size, in which every mark leaves its trace, also where figures are missing.
func TestCapacityPNG(t *testing.T) {
	draw := func(probes ...CapacityProbe) []byte {
		t.Helper()
		picture, err := CapacityPNG("kappa sustains 1000 events/s", 1000, probes)
		if err != nil {
			t.Fatal(err)
		}
		size, err := png.DecodeConfig(bytes.NewReader(picture))
		if err != nil || size.Width != plotWidth || size.Height != plotHeight {
			t.Fatalf("%+v, %v", size, err)
		}
		return picture
	}
	held := CapacityProbe{Rate: 1000, Held: true, P99MS: new(40.0), LagSlope: new(0.001)}
	failed := CapacityProbe{Rate: 2000, P99MS: new(900.0), LagSlope: new(0.2)}
	unknown := CapacityProbe{Rate: 2000}
	both := draw(held, failed)
	failed.Held = true
	for name, other := range map[string][]byte{
		"another outcome": draw(held, failed), "one try less": draw(held), "figures that are missing": draw(held, unknown), "nothing": draw(),
	} {
		if bytes.Equal(both, other) {
			t.Errorf("%s leaves no trace", name)
		}
	}
}
