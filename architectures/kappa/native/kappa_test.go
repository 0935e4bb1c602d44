package native_test

import (
	"testing"

	"lkbench/architectures/archtest"
	kappa "lkbench/architectures/kappa/native"
)

func TestMain(m *testing.M) { archtest.Main(m, kappa.New()) }

func TestConformance(t *testing.T) { archtest.Test(t, kappa.New()) }
