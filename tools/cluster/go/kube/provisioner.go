package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// localVolumes makes each claim's volume a directory on this machine. A directory is open to every user, so
// that a pod without root can write to it even when it sets no fsGroup; and the volume is of the "local" kind,
// to which, unlike hostPath, the kubelet applies an fsGroup when there is one.
type localVolumes struct {
	directory string
	node      string
}

func (volumes localVolumes) Provision(
	_ context.Context, options controller.ProvisionOptions,
) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	path := filepath.Join(volumes.directory, options.PVName)
	if err := os.Mkdir(path, 0o777); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, controller.ProvisioningFinished, err
	}
	if err := os.Chmod(path, 0o777); err != nil { // Mkdir's mode is cut by the umask.
		return nil, controller.ProvisioningFinished, err
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: options.PVC.Spec.AccessModes,
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: options.PVC.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				Local: &corev1.LocalVolumeSource{Path: path},
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{
					MatchExpressions: []corev1.NodeSelectorRequirement{{
						Key:      corev1.LabelHostname,
						Operator: corev1.NodeSelectorOpIn,
						Values:   []string{volumes.node},
					}},
				}},
			}},
		},
	}, controller.ProvisioningFinished, nil
}

func (volumes localVolumes) Delete(_ context.Context, volume *corev1.PersistentVolume) error {
	local := volume.Spec.Local
	if local == nil || filepath.Dir(local.Path) != volumes.directory {
		return &controller.IgnoredError{Reason: fmt.Sprintf("its directory is not below %s", volumes.directory)}
	}
	return os.RemoveAll(local.Path)
}

func runProvisioner() {
	kubeconfig := flag.String("kubeconfig", "", "file that says how to reach the API server, and as whom")
	name := flag.String("provisioner-name", "", "the name by which a StorageClass asks for this provisioner")
	volumes := localVolumes{}
	flag.StringVar(&volumes.directory, "directory", "", "folder that holds the volumes")
	flag.StringVar(&volumes.node, "node", "", "the node this machine is")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		exit(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	controller.NewProvisionController(
		ctx, client, *name, volumes, controller.LeaderElection(false), // one node, so one provisioner
	).Run(ctx)
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, "local-volume-provisioner:", err)
	os.Exit(1)
}
