package native_test

import (
	"testing"

	"lkbench/architectures/archtest"
	lambda "lkbench/architectures/lambda/native"
)

func TestMain(m *testing.M) { archtest.Main(m, lambda.New()) }

func TestConformance(t *testing.T) { archtest.Test(t, lambda.New()) }
