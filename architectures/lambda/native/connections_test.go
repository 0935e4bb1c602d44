package native

import (
	"testing"

	"lkbench/architectures/archtest"
)

func TestConnectionsGoOverTheNetwork(t *testing.T) { archtest.Connections(t, New()) }
