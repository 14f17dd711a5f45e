// Package manifests holds the files of deploy/kubernetes and deploy/compose against
// what reads them: the types of the Kubernetes API and of the Prometheus operator,
// in which an unknown field is a mistake, the schema of compose, and the proxy, which
// checks the configurations that are in them. It has tests alone.
package manifests
