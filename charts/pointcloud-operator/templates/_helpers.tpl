{{/* The release's name, which begins the name of everything namespaced and cluster-wide. */}}
{{- define "pointcloud.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels by which Services and Deployments find their pods. Argument: dict root, component. */}}
{{- define "pointcloud.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* All labels. Argument: dict root, component. */}}
{{- define "pointcloud.labels" -}}
{{ include "pointcloud.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* An image's reference. Argument: dict root, image. */}}
{{- define "pointcloud.image" -}}
{{- $image := .root.Values.image -}}
{{- index $image.refs .image | default (printf "%s/%s:%s" $image.repository .image ($image.tag | default .root.Chart.AppVersion)) -}}
{{- end -}}

{{/* The address under which browsers reach the gateway. */}}
{{- define "pointcloud.externalUrl" -}}
{{- $ingress := .Values.gateway.ingress -}}
{{- if .Values.externalUrl -}}
{{- .Values.externalUrl | trimSuffix "/" -}}
{{- else if $ingress.enabled -}}
{{- ternary "https" "http" (ne $ingress.tlsSecretName "") }}://{{ required "gateway.ingress.host: name the host that browsers will ask for" $ingress.host }}
{{- else -}}
http://localhost:{{ .Values.gateway.hostPort | default 8080 }}
{{- end -}}
{{- end -}}

{{/* What the Pod Security level `restricted` asks of a pod. */}}
{{- define "pointcloud.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* What it asks of a container, and a root that nobody can write to. */}}
{{- define "pointcloud.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where a pod of ours may run. Argument: its values. */}}
{{- define "pointcloud.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The Secrets with which images are pulled. */}}
{{- define "pointcloud.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* One stage of config.yaml. Argument: dict root, stage, image. */}}
{{- define "pointcloud.stage" -}}
image: {{ include "pointcloud.image" (dict "root" .root "image" .image) }}
{{ toYaml (omit .stage "gpu") }}
{{- end -}}
