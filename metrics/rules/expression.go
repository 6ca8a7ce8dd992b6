package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// Bounds of an expression. Without loops, in a language of numbers, they also bound what its evaluation takes.
const (
	maxExpression = 1000 // characters
	maxNodes      = 300
)

// expression is one that was checked and compiled.
type expression struct {
	text    string // on one line
	program *vm.Program
	boolean bool
	alone   int // the name that it consists of, -1 when there is more to it
}

// compileExpression reads an expression and puts what it reads into the table. Its errors are of one line.
//
//	text ─▶ expr's parser ─▶ rewrite: only what rules may say, names and calls become places in the table
//	     ─▶ expr's checker and compiler ─▶ program
func compileExpression(text string, t *table) (*expression, error) {
	if n := len(text); n > maxExpression {
		return nil, fmt.Errorf("%d characters are too many: use %d at most", n, maxExpression)
	}
	e := &expression{text: strings.Join(strings.Fields(text), " "), alone: -1}
	if e.text == "" {
		return nil, errors.New("is empty: write a condition such as ecd_nm.p50 > 250")
	}
	grammar := conf.CreateNew()
	grammar.MaxNodes = maxNodes
	for _, f := range functionNames() { // ours come before those of expr
		grammar.Functions[f] = nil
	}
	tree, err := parser.ParseWithConfig(text, grammar)
	if err != nil {
		return nil, syntaxError(err)
	}
	if id, ok := tree.Node.(*ast.IdentifierNode); ok || isMember(tree.Node) {
		name := memberName(tree.Node)
		if ok {
			name = id.Value
		}
		if e.alone, err = t.number("name", name); err != nil {
			e.alone = -1 // rewrite says it better
		}
	}
	r := rewriter{table: t}
	node, kind, err := r.rewrite(tree.Node)
	if err != nil {
		return nil, err
	}
	e.boolean = kind == boolean
	config := conf.New(newScope(t).env)
	config.Optimize = false
	tree.Node = node
	if _, err := checker.Check(tree, config); err != nil {
		return nil, syntaxError(err)
	}
	if e.program, err = compiler.Compile(tree, config); err != nil {
		return nil, syntaxError(err)
	}
	return e, nil
}

// syntaxError puts an error of expr, which draws the place on further lines, into one line.
func syntaxError(err error) error {
	var e *file.Error
	if errors.As(err, &e) {
		return fmt.Errorf("%s at character %d: correct it, docs/rules.md shows how", oneLine(e.Message), e.From+1)
	}
	return fmt.Errorf("%s: correct it, docs/rules.md shows how", firstLine(err))
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return oneLine(line)
}

// oneLine keeps a message on one line.
func oneLine(s string) string { return strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "?") }
