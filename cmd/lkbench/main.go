// Command lkbench runs a Lambda and a Kappa architecture over the same stream of bank transactions, measures both and
// checks every answer.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
