// The Chinese of the descriptions in settings.schema.json.

export default {
  'Accepted and unused: there is no server.': '可以写，但不使用：没有服务器。',
  "The level of the policy's log.": '策略日志的级别。',
  'Release 1.5: one rule each.': '1.5 版：每种注入一条规则。',
  'DDTrace libraries.': 'DDTrace 库。',
  'The images of the added containers.': '所添加容器的镜像。',
  'An image with its tag.': '带有 tag 的镜像。',
  'The imagePullPolicy of the added container.': '所添加容器的 imagePullPolicy。',
  'The C library of the PHP image.': 'PHP 镜像的 C 库。',
  'Namespaces that get the injection without an annotation: entries of namespace and language, in any case.':
    '无需注解即注入的命名空间：每项含 namespace 和 language，不区分大小写。',
  'Label selectors that ask for the injection without an annotation: entries of labelselector and language, in any case.':
    '无需注解即触发注入的标签选择器：每项含 labelselector 和 language，不区分大小写。',
  'namespace and language, in any case': 'namespace 和 language，不区分大小写',
  'labelselector and language, in any case': 'labelselector 和 language，不区分大小写',
  'Without effect, as in the default files of 1.4.3 to 1.5.11.':
    '不起作用，与 1.4.3 到 1.5.11 版的默认文件相同。',
  'Release 1.7 on: lists of rules.': '1.7 版起：规则列表。',
  'For people.': '仅供阅读。',
  'Regular expressions, searched anywhere in the namespace; * alone means all.':
    '正则表达式，在命名空间名称的任意位置匹配；单独一个 * 表示全部。',
  'Kubernetes label selectors; after =, == and != also globs.':
    'Kubernetes 标签选择器；=、== 和 != 之后还可以用 glob。',
  'The image of the added container.': '所添加容器的镜像。',
  'The language of the application.': '应用的语言。',
  'Only pods with the annotation of this injection.': '只处理带有此注入的注解的 Pod。',
  'OpenTelemetry agents.': 'OpenTelemetry agent。',
  'logfwd sidecars.': 'logfwd 边车容器。',
  'A JSON array of {type, path, …}, as a string.':
    '由 {type, path, …} 组成的 JSON 数组，写成字符串。',
  'More directories to share with the sidecar.': '另外与边车容器共享的目录。',
  'Without effect here.': '在此处不起作用。',
  'flameshot sidecars.': 'flameshot 边车容器。',
  'The processes to profile, JSON as a string; empty switches the rule off.':
    '要采集 profile 的进程，JSON 写成字符串；为空时规则关闭。',
  'Whether to add the prometheus.io annotations of its metrics.':
    '是否添加其指标的 prometheus.io 注解。',
  'Profiler sidecars.': 'Profiler 边车容器。',
  'Annotations for log collection.': '日志采集的注解。',
  'Rules for the annotation datakit/logs.': '用于注解 datakit/logs 的规则。',
  'Exact names.': '精确名称。',
  'The annotation datakit/logs: a JSON array of objects, as a string.':
    '注解 datakit/logs 的内容：由对象组成的 JSON 数组，写成字符串。',
  'Without effect, as in the default files of 1.5.10 to 1.5.17.':
    '不起作用，与 1.5.10 到 1.5.17 版的默认文件相同。',
  "This policy's own options.": '本策略自己的选项。',
  'auto: native sidecars for pods that run to completion, containers for others.':
    'auto：运行到完成的 Pod 使用原生边车容器，其他 Pod 使用普通容器。',
  'Namespaces that nothing is injected into.': '不做任何注入的命名空间。',
  'Further kinds of workloads with a pod template.': '其他带有 Pod 模板的工作负载类型。',
  'The API group, such as argoproj.io.': 'API 组，例如 argoproj.io。',
  'The kind, such as Rollout.': '类型，例如 Rollout。',
  'The JSON pointer to the pod template, such as /spec/template.':
    '指向 Pod 模板的 JSON 指针，例如 /spec/template。',
  'The securityContext of injected init containers and of logfwd.':
    '所注入的 Init 容器和 logfwd 的 securityContext。',
  'Names that are added to the imagePullSecrets of pods that something is injected into.':
    '注入时添加到 Pod 的 imagePullSecrets 中的名称。',
  'The sizeLimit of injected emptyDirs, such as 1Gi.': '所注入的 emptyDir 的 sizeLimit，例如 1Gi。',
  'Whether an annotation may choose the tag of an image.': '是否允许用注解选择镜像的 tag。',
  'Regular containers that nothing is injected into.': '不做任何注入的普通容器。',
  'The release that the configuration was written for; inferred where it is not given.':
    '配置所针对的版本；未指定时自动推断。',
  "Tells the record of this policy from another's.": '用于区分本策略与其他策略的记录。',
  'Whether a pod that meets the Pod Security level restricted meets it afterwards.':
    '符合 Pod 安全性标准 restricted 级别的 Pod，注入后是否仍须符合。',
  'Whether a Pod carries admission.datakit/status: what was injected, and why the rest was not.':
    '是否在 Pod 上添加 admission.datakit/status：注入了什么，以及其余的为何没有注入。',
  'Whether a pod of the quality of service class Guaranteed keeps it.':
    'QoS 类为 Guaranteed 的 Pod 是否保持该类。',
  'Whether the cluster autoscaler may remove a node though its pods have injected volumes.':
    '节点上的 Pod 带有注入的卷时，集群自动扩缩器是否仍可移除该节点。',
  'All of the above but policy, as one JSON string.':
    '以上所有键（policy 除外）写成的一个 JSON 字符串。',
  'A Kubernetes quantity, such as 100m or 64Mi.': 'Kubernetes 数量，例如 100m 或 64Mi。',
  'Environment variables; a value may be a placeholder such as {fieldRef:metadata.name}.':
    '环境变量；值可以是占位符，例如 {fieldRef:metadata.name}。',
  'The requests and limits of the added container.': '所添加容器的 requests 和 limits。',
  'What is requested.': '请求的资源。',
  'The limits.': '资源限制。',
};
