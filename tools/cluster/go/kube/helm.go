package main

import (
	"errors"
	"os"

	"helm.sh/helm/v4/pkg/cmd"
	"helm.sh/helm/v4/pkg/kube"
)

func runHelm() {
	kube.ManagedFieldsManager = "helm" // as the released helm signs its fields, whatever this file is called
	root, err := cmd.NewRootCmd(os.Stdout, os.Args[1:], cmd.SetupLogging)
	if err == nil {
		err = root.Execute()
	}
	var coded cmd.CommandError
	if errors.As(err, &coded) {
		os.Exit(coded.ExitCode)
	}
	if err != nil {
		os.Exit(1)
	}
}
