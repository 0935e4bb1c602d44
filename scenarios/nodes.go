package scenarios

import (
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// textOf is the text of a string node, quoted or not, folded or not.
func textOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

// integerText is an integer node in decimal, empty for any other node.
func integerText(n ast.Node) string {
	if n, ok := n.(*ast.IntegerNode); ok {
		return fmt.Sprint(n.Value)
	}
	return ""
}

// describe says what a node is, for an error.
func describe(n ast.Node) string {
	switch n := n.(type) {
	case *ast.NullNode:
		return "nothing"
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "a mapping"
	case *ast.StringNode:
		return shorten(strconv.Quote(n.Value))
	case *ast.LiteralNode:
		return "a text of several lines"
	}
	return shorten(n.GetToken().Value)
}

func shorten(text string) string {
	if r := []rune(text); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return text
}
