//! Chinese, in the terms of Datakit Operator's document, else of Kubernetes' Chinese documentation.

/// English patterns, each with its translation.
pub(super) const PATTERNS: &[(&str, &str)] = &[
    // Between the parts of a line.
    (", ", "、"),
    (": ", "："),
    ("; ", "；"),
    // Why a rule, an injection or an object is treated as it is.
    ("the request has no object", "请求中没有对象"),
    ("the request is for a subresource", "请求针对子资源"),
    ("the object is neither created nor updated", "对象既不是正在创建，也不是正在更新"),
    (
        "this kind has no known pod template; policy.extra_workloads can name one",
        "不知道此类对象的 Pod 模板在哪里；可以在 policy.extra_workloads 中指定",
    ),
    ("the namespace is in policy.ignored_namespaces", "命名空间在 policy.ignored_namespaces 中"),
    ("the pod template of this kind is immutable", "此类对象的 Pod 模板不可变更"),
    ("the object has no pod template", "对象没有 Pod 模板"),
    ("the pod template is malformed", "Pod 模板的格式不正确"),
    ("the pod is a mirror of a static pod", "该 Pod 是静态 Pod 的镜像 Pod"),
    ("the update does not change the pod template", "此次更新没有变更 Pod 模板"),
    (
        "the update does not change the user's part; the stored template stays",
        "此次更新没有变更用户编写的部分；保留已存储的模板",
    ),
    (
        "nothing asks for an injection any more; what was injected is removed",
        "不再有规则或注解要求注入；已注入的内容会被移除",
    ),
    ("no rule or annotation asks for an injection", "没有规则或注解要求注入"),
    ("not considered, ddtrace takes precedence", "未考虑，因为 ddtrace 优先"),
    ("matches", "匹配"),
    ("label selectors do not match", "标签选择器不匹配"),
    ("namespace selectors do not match `{namespace}`", "命名空间选择器与 `{namespace}` 不匹配"),
    (
        "namespace `{namespace}` {assumed:message} does not match",
        "命名空间 `{namespace}`{assumed}不匹配",
    ),
    ("(assumed; use -n)", "（假定的，可用 -n 指定）"),
    ("has no selectors", "没有选择器"),
    ("is switched off by empty `processes`", "因 `processes` 为空而关闭"),
    ("the record of earlier injections cannot be read", "无法读取之前的注入记录"),
    ("{annotation} opts out", "{annotation} 要求不注入"),
    ("annotation {annotation} is already set", "已有注解 {annotation}"),
    ("annotation {annotation} is set", "设置了注解 {annotation}"),
    ("annotation {annotation} is not set", "没有设置注解 {annotation}"),
    (
        "annotation {annotation} has no rule in these settings",
        "这份设置中没有对应注解 {annotation} 的规则",
    ),
    ("annotation {annotation} is unknown", "注解 {annotation} 未知"),
    ("is invalid: {path:any}", "无效：{path}"),
    ("{path} is invalid", "{path} 无效"),
    ("{path} is invalid; nothing is injected", "{path} 无效；不做任何注入"),
    // What an injection is skipped for, and what to change.
    (
        "{injection} is not injected into {workload}: {reason:message}; {advice:message}",
        "{injection} 未注入到 {workload}：{reason}；{advice}",
    ),
    (
        "nothing is injected into {workload}: {reason:message}; {advice:message}",
        "没有对 {workload} 做任何注入：{reason}；{advice}",
    ),
    ("no image is configured for {injection}", "没有为 {injection} 配置镜像"),
    ("annotation {annotation} is not an image tag", "注解 {annotation} 的值不是镜像 tag"),
    (
        "annotation {annotation} is not valid logfwd JSON at line {line} column {column}",
        "注解 {annotation} 的第 {line} 行第 {column} 列不是有效的 logfwd JSON",
    ),
    ("it would share more than {count} directories", "要共享的目录超过 {count} 个"),
    ("it would add more than {count} mounts", "要添加的挂载超过 {count} 个"),
    (
        "container {container} sets {variable} with valueFrom",
        "容器 {container} 用 valueFrom 设置了 {variable}",
    ),
    ("container {container} sets {variable} twice", "容器 {container} 重复设置了 {variable}"),
    (
        "container {container} already loads the Datadog library",
        "容器 {container} 已经加载了 Datadog 库",
    ),
    ("the pod has another volume named {volume}", "Pod 中另有名为 {volume} 的卷"),
    (
        "container {container} mounts another volume at {path}",
        "容器 {container} 在 {path} 挂载了别的卷",
    ),
    (
        "its init container would run as root, which runAsNonRoot forbids",
        "其 Init 容器会以 root 身份运行，而 runAsNonRoot 禁止这样做",
    ),
    ("no container matches", "没有匹配的容器"),
    ("the pod has no container to inject into", "Pod 中没有可以注入的容器"),
    ("the pod runs on Windows", "Pod 运行在 Windows 上"),
    (
        "it needs capabilities that Pod Security level `restricted` forbids",
        "它需要 Pod 安全性标准 `restricted` 级别禁止的权能",
    ),
    (
        "an image cannot do without the directory in {variable}",
        "{variable} 中的目录是镜像不可缺少的",
    ),
    (
        "the port in {variable} is in use on the host network",
        "{variable} 中的端口已在主机网络上使用",
    ),
    ("the annotations of the object would exceed 200 KiB", "对象的注解会超过 200 KiB"),
    ("the object's own metadata is malformed", "对象自身元数据的格式不正确"),
    ("{list} of the pod template is malformed", "Pod 模板的 {list} 格式不正确"),
    ("the matching rule is invalid: {path:any}", "匹配的规则无效：{path}"),
    (
        "these settings have no rule for annotation {annotation}",
        "这份设置中没有用于注解 {annotation} 的规则",
    ),
    ("correct the pod template", "请修正 Pod 模板"),
    ("add the image to the settings of the policy", "请在策略的设置中添加镜像"),
    ("use a version such as v1.2.3, or leave it empty", "请使用 v1.2.3 这样的版本，或者留空"),
    ("correct the annotation", "请修正注解"),
    ("collect files of fewer directories", "请减少要采集的目录"),
    ("use a literal value", "请直接写出值"),
    ("set it once", "请只设置一次"),
    ("use one of the two", "请只用其中之一"),
    ("rename that volume", "请给那个卷改名"),
    ("mount it elsewhere", "请把它挂载到别处"),
    (
        "set runAsUser in the container's or the pod's securityContext",
        "请在容器或 Pod 的 securityContext 中设置 runAsUser",
    ),
    (
        "name a container of the pod in admission.datakit/container-names",
        "请在 admission.datakit/container-names 中写出 Pod 的某个容器",
    ),
    (
        "add a container that is not in policy.ignored_containers",
        "请添加一个不在 policy.ignored_containers 中的容器",
    ),
    (
        "opt out with admission.datakit/enabled: \"false\"",
        "可用 admission.datakit/enabled: \"false\" 声明不注入",
    ),
    (
        "relax the pod, or set policy.pod_security to `ignore`",
        "请放宽 Pod 的安全限制，或把 policy.pod_security 设为 `ignore`",
    ),
    ("choose another directory in the rule", "请在规则中换一个目录"),
    ("choose another port in the rule", "请在规则中换一个端口"),
    ("remove annotations", "请删除一些注解"),
    ("correct the metadata of the object", "请修正对象的元数据"),
    ("correct the settings of the policy", "请修正策略的设置"),
    ("add a rule, or remove the annotation", "请添加规则，或者删除该注解"),
    // What else a person who applies an object is told.
    ("{workload}: {note:message}", "{workload}：{note}"),
    ("{injection} in {workload}: {note:message}", "{workload} 的 {injection}：{note}"),
    (
        "{count} more warnings about {workload} are not shown",
        "关于 {workload} 的另外 {count} 条警告没有显示",
    ),
    (
        "metadata, labels or annotations of the pod template are not objects; nothing is injected",
        "Pod 模板的 metadata、labels 或 annotations 不是对象；不做任何注入",
    ),
    (
        "the matching rule is invalid: {path:any}; another rule is used; {advice:message}",
        "匹配的规则无效：{path}；改用另一条规则；{advice}",
    ),
    (
        "an annotation under admission.datakit/ is unknown",
        "有一个以 admission.datakit/ 开头的注解未知",
    ),
    (
        "its container has another version than the annotation, and no record of this policy; \
         remove the container to inject anew",
        "其容器的版本与注解不同，也没有本策略的记录；要重新注入，请移除该容器",
    ),
    (
        "annotation {annotation} cannot be read, and nothing is injected beside it; remove it",
        "无法读取注解 {annotation}，因此不做任何注入；请删除它",
    ),
    (
        "annotation {annotation} cannot be read; the stored one is used",
        "无法读取注解 {annotation}；改用已存储的那一个",
    ),
    (
        "what was injected and removed by hand is put back; {advice:message}",
        "手工删除的注入内容会被恢复；{advice}",
    ),
    (
        "the pod template is malformed; what was injected stays",
        "Pod 模板的格式不正确；已注入的内容保留",
    ),
    (
        "its resources are left out, because the pod has its own",
        "没有添加它的 resources，因为 Pod 自己设置了 resources",
    ),
    (
        "the sidecar keeps the pod from completing; set policy.sidecar_mode to `auto`",
        "边车容器会使 Pod 无法结束；请把 policy.sidecar_mode 设为 `auto`",
    ),
    (
        "annotation {annotation} lists 1 name that matches no container",
        "注解 {annotation} 中有 1 个名称不匹配任何容器",
    ),
    (
        "annotation {annotation} lists {count} names that match no container",
        "注解 {annotation} 中有 {count} 个名称不匹配任何容器",
    ),
    (
        "{variable} of container {container} is kept without the configured tags",
        "容器 {container} 的 {variable} 保持不变，没有补上配置中的 tag",
    ),
    (
        "{variable} overrides the value that envFrom may provide in container {container}",
        "{variable} 会覆盖容器 {container} 中 envFrom 可能提供的值",
    ),
    ("1 directory is not shared: {reason:message}", "有 1 个目录不共享：{reason}"),
    ("{count} directories are not shared: {reason:message}", "有 {count} 个目录不共享：{reason}"),
    ("not an absolute, clean path", "不是规范的绝对路径"),
    ("an image cannot do without it", "该目录是镜像不可缺少的"),
    (
        "a container mounts a volume there that is not an emptyDir",
        "有容器在那里挂载了 emptyDir 以外的卷",
    ),
    // The release that settings are read for.
    ("read as release {release:message}: {reason:message}", "按 {release} 版读取：{reason}"),
    ("1.5.13 to 1.6.1", "1.5.13 至 1.6.1"),
    ("policy.operator_release says so", "由 policy.operator_release 指定"),
    ("the configuration has admission_inject_v2", "配置中有 admission_inject_v2"),
    ("the configuration has no admission_inject_v2", "配置中没有 admission_inject_v2"),
    (
        "logfwd or profiler have enabled_namespaces or _labelselectors",
        "logfwd 或 profiler 设有 enabled_namespaces 或 enabled_labelselectors",
    ),
    // Errors of settings: keys and types.
    ("{error:message}; did you mean `{near:any}`?", "{error}；是否应为 `{near}`？"),
    ("{error:message}; did you mean {near}?", "{error}；是否应为 {near}？"),
    ("{error:message}; expected one of {names:list}", "{error}；应为其中之一：{names}"),
    ("unknown key", "未知的键"),
    ("unknown {noun:message} `{text:any}`", "未知的{noun} `{text}`"),
    ("value", "值"),
    ("level", "日志级别"),
    ("language", "语言"),
    ("belongs in `{home}`", "应放在 `{home}` 中"),
    ("differs from `{key:any}` only in case", "与 `{key}` 只有大小写不同"),
    ("is {found:message}, expected {expected:message}", "应为{expected}，实际为{found}"),
    ("null", " null"),
    ("a boolean", "布尔值"),
    ("a number", "数字"),
    ("a string", "字符串"),
    ("an array", "数组"),
    ("an object", "对象"),
    ("is not valid Unicode", "不是有效的 Unicode 文本"),
    ("is required", "必填"),
    ("is required: {names:list}", "必填，应为其中之一：{names}"),
    ("conflicts with `{key}`", "与 `{key}` 冲突"),
    ("is nested in `jsonconfig`", "`jsonconfig` 中不能再有 `jsonconfig`"),
    ("is given both inside and beside `jsonconfig`", "在 `jsonconfig` 之内和之外都有"),
    ("is not JSON: line {line} column {column}", "不是 JSON：第 {line} 行第 {column} 列"),
    // Rules.
    ("is required: the image to inject", "必填：要注入的镜像"),
    ("is empty; give the image to inject", "为空；请填写要注入的镜像"),
    (
        "is not an image reference: `{char:any}` in the name; names are lower case, without spaces",
        "不是镜像引用：名称中有 `{char}`；名称须为小写，不含空格",
    ),
    (
        "is not an image reference, which is `[registry/]name[:tag][@digest]`",
        "不是镜像引用，其形式为 `[registry/]name[:tag][@digest]`",
    ),
    (
        "is not an image reference: a tag has letters, digits, `_`, `.`, `-`, at most 128",
        "不是镜像引用：tag 由字母、数字、`_`、`.`、`-` 组成，最多 128 个字符",
    ),
    (
        "is not an image reference: a digest is `@sha256:` and 64 hexadecimal digits",
        "不是镜像引用：摘要是 `@sha256:` 加 64 位十六进制数字",
    ),
    ("is not a quantity, such as `100m` or `64Mi`", "不是 `100m` 或 `64Mi` 这样的数量"),
    ("is more than the limit", "超过了 limits 中的值"),
    (
        "is not a name that Kubernetes takes for an environment variable",
        "不是 Kubernetes 接受的环境变量名",
    ),
    ("refers to itself, directly or through other variables", "直接或通过其他变量引用了自身"),
    ("is not an absolute path", "不是绝对路径"),
    ("is not a JSON array of objects", "不是由对象组成的 JSON 数组"),
    (
        "is not a JSON array of objects: line {line} column {column}",
        "不是由对象组成的 JSON 数组：第 {line} 行第 {column} 列",
    ),
    (
        "is required: a JSON array of objects, as a string",
        "必填：由对象组成的 JSON 数组，写成字符串",
    ),
    ("is required: the processes to profile, as JSON", "必填：要采集 profile 的进程，写成 JSON"),
    ("is required: the directory to share, an absolute path", "必填：要共享的目录，须为绝对路径"),
    ("is required: a port from 1 to 65535", "必填：1 到 65535 之间的端口"),
    // Selectors.
    ("is empty; `*` means every namespace", "为空；`*` 表示所有命名空间"),
    (
        "is empty; leave the list empty to select by namespace alone",
        "为空；要只按命名空间选择，请把列表留空",
    ),
    ("`{text:any}` is not a regular expression: {why:message}", "`{text}` 不是正则表达式：{why}"),
    ("it has an unknown group or flag", "其中有未知的分组或标志"),
    ("it repeats more than 1000 times", "重复超过 1000 次"),
    ("it repeats a repetition", "对重复再做重复"),
    ("it has a Unicode class that names cannot have", "其中的 Unicode 字符类不可能出现在名称中"),
    ("it has a negated Unicode class in a class", "字符类中有取反的 Unicode 字符类"),
    ("it has an unknown escape", "其中有未知的转义"),
    // Errors of `regex-lite` that people run into; the others stay English.
    ("found open group without closing ')'", "分组的 '(' 没有对应的 ')'"),
    ("found closing ')' without matching '('", "')' 没有对应的 '('"),
    ("found unclosed character class", "字符类的 '[' 没有对应的 ']'"),
    ("non-empty character class has no closing bracket", "字符类的 '[' 没有对应的 ']'"),
    ("negated character class has no closing bracket", "字符类的 '[' 没有对应的 ']'"),
    ("invalid range in character class", "字符类中的范围首尾颠倒"),
    (
        "uncounted repetition operator must be applied to a sub-expression",
        "重复运算符之前没有可以重复的内容",
    ),
    (
        "counted repetition operator must be applied to a sub-expression",
        "重复运算符之前没有可以重复的内容",
    ),
    ("found counted repetition with a min bigger than its max", "重复次数的下限大于上限"),
    ("saw start of escape sequence, but saw end of pattern before it finished", "转义没有写完"),
    ("unrecognized escape sequence", "无法识别的转义"),
    ("backreferences are not supported", "不支持反向引用"),
    ("found {found:any}, expected {expected:message}", "此处应为{expected}，实际为 {found}"),
    ("found the end, expected {expected:message}", "末尾处应为{expected}"),
    ("a key", "键"),
    ("a value", "值"),
    ("`(`", " `(`"),
    ("`,` or the end", " `,` 或末尾"),
    ("`!` or a key", " `!` 或键"),
    ("`,` or `)`", " `,` 或 `)`"),
    ("`,` or a value", " `,` 或值"),
    (
        "one of `=`, `==`, `!=`, `in`, `notin`, `>`, `<`",
        " `=`、`==`、`!=`、`in`、`notin`、`>`、`<` 之一",
    ),
    ("`{text:any}` is not a label key", "`{text}` 不是标签的键"),
    ("`{text:any}` is not a label value", "`{text}` 不是标签的值"),
    (
        "`{text:any}` is not an integer, which `>` and `<` compare",
        "`{text}` 不是整数，而 `>` 和 `<` 比较的是整数",
    ),
    (
        "`{text:any}` is not a glob: a bracket is not closed, or a range runs backwards",
        "`{text}` 不是 glob：括号没有闭合，或者范围的首尾颠倒",
    ),
    // The options of the policy.
    ("is not the name of a secret", "不是 Secret 的名称"),
    ("is not a quantity, such as `1Gi`", "不是 `1Gi` 这样的数量"),
    ("is not a DNS label of at most 20 characters", "不是最多 20 个字符的 DNS 标签"),
    ("is required, such as `Rollout`", "必填，例如 `Rollout`"),
    (
        "is required: a JSON pointer to a pod template, such as `/spec/template`",
        "必填：指向 Pod 模板的 JSON 指针，例如 `/spec/template`",
    ),
    ("is not a whole number", "不是整数"),
    ("is not an object of the lists `add` and `drop`", "不是由列表 `add` 和 `drop` 组成的对象"),
    // Notes on settings.
    ("there are no rules: nothing is ever injected", "没有规则：永远不会注入任何内容"),
    (
        "has no selectors that can match, so the rule is switched off",
        "没有能够匹配的选择器，因此规则处于关闭状态",
    ),
    ("is never used: {path} always comes first", "永远不会用到：{path} 总是先匹配"),
    ("can match no label: it contradicts itself", "不可能匹配任何标签：它自相矛盾"),
    (
        "makes logfwd ask Datakit Operator for its configuration: the Operator's service has to \
         stay for it",
        "会让 logfwd 向 Datakit Operator 请求配置：为此必须保留 Operator 的服务",
    ),
    ("is not a known placeholder and is used literally", "不是已知的占位符，会按字面值使用"),
    ("refers to `{name:any}`, which the rule does not set", "引用了 `{name}`，但规则没有设置它"),
    // What settings are found in.
    ("a plain configuration", "普通配置"),
    ("the Operator's ConfigMap", "Operator 的 ConfigMap"),
    ("values of a chart", "chart 的 values"),
    ("the settings of a policy", "策略的设置"),
    ("{source:message}, item {item} of a List", "{source}，List 的第 {item} 项"),
    (
        "{source:message}, document {document} of {count}",
        "{source}，共 {count} 个文档中的第 {document} 个",
    ),
    (
        "document {document} is not JSON: line {line} column {column}",
        "第 {document} 个文档不是 JSON：第 {line} 行第 {column} 列",
    ),
    ("document {number}", "第 {number} 个文档"),
    ("{kind} `{name:any}` (key `{key:any}`)", "{kind} `{name}`（键 `{key}`）"),
    ("is empty", "为空"),
    (
        "is a {kind}, not settings: expected a configuration of Datakit Operator, its ConfigMap, \
         values of a chart or a policy",
        "是 {kind}，不是设置：应为 Datakit Operator 的配置、其 ConfigMap、chart 的 values 或策略",
    ),
    (
        "is a {kind} without a configuration of Datakit Operator",
        "是 {kind}，但其中没有 Datakit Operator 的配置",
    ),
    (
        "holds {count} documents without a configuration of Datakit Operator",
        "有 {count} 个文档，但其中没有 Datakit Operator 的配置",
    ),
    (
        "holds {count} documents ({kinds:list}) without a configuration of Datakit Operator",
        "有 {count} 个文档（{kinds}），但其中没有 Datakit Operator 的配置",
    ),
    (
        "holds {count} configurations: {names:list}; pass one of them",
        "有 {count} 份配置：{names}；请只给出其中一份",
    ),
    // Conditions.
    (
        "the condition `{name}` is left out: it would exceed {count} characters",
        "省略了条件 `{name}`：它会超过 {count} 个字符",
    ),
    (
        "there are none, so every request reaches the policy server; `convert` adds those of the \
         settings",
        "没有条件，因此每个请求都会到达策略服务器；`convert` 会按设置添加条件",
    ),
    (
        "is not the condition of the settings, so requests that ask for an injection may be lost; \
         `convert` renews it",
        "不是由设置得出的条件，因此可能漏掉需要注入的请求；`convert` 会更新它",
    ),
    (
        "is not compiled from the settings: what it excludes is not injected into",
        "不是由设置编译而来：被它排除的对象不会注入",
    ),
    (
        "`{name}` is missing, so more requests than needed reach the policy server; `convert` \
         adds it",
        "缺少 `{name}`，因此到达策略服务器的请求多于所需；`convert` 会添加它",
    ),
    // What a conversion to version 2 changes.
    (
        "admission_inject.ddtrace: {language} is left out: releases since 1.7 inject java alone there",
        "admission_inject.ddtrace：省略了 {language}：1.7 及以后版本在这里只注入 java",
    ),
    (
        "admission_inject.{entry} is left out: no image is configured for {what}",
        "省略了 admission_inject.{entry}：没有为 {what} 配置镜像",
    ),
    (
        "annotation {annotation} is left out: no image is configured for {language}",
        "省略了注解 {annotation}：没有为 {language} 配置镜像",
    ),
    (
        "version 2 gives the ddtrace init container default resources; version 1 gave none",
        "第 2 版给 ddtrace 的 Init 容器默认的 resources；第 1 版没有",
    ),
    (
        "version 2 mounts the labels of the pod into logfwd; version 1 did not",
        "第 2 版会把 Pod 的标签挂载到 logfwd；第 1 版不会",
    ),
    (
        "{variable:any} of {block} becomes a reference; version 1 took it literally",
        "{block} 的 {variable} 变成引用；第 1 版按字面值使用它",
    ),
    // What is passed to the npm package.
    ("cannot be read: line {line} column {column}", "无法读取：第 {line} 行第 {column} 列"),
    ("is required, one of {names:list}", "必填，应为其中之一：{names}"),
    ("is `{text:any}`, expected one of {names:list}", "是 `{text}`，应为其中之一：{names}"),
    (
        "is nested too deep for a patch, or holds a string that is not valid Unicode",
        "嵌套太深，无法生成补丁，或者含有不是有效 Unicode 的字符串",
    ),
    // The lines of `explain`.
    ("injected", "已注入"),
    ("present", "已存在"),
    ("removed", "已移除"),
    ("skipped", "已跳过"),
    ("opted out", "已排除"),
    ("nothing asked for", "无需注入"),
    ("injected {names:list}", "已注入 {names}"),
    ("present {names:list}", "已存在 {names}"),
    ("removed {names:list}", "已移除 {names}"),
    ("skipped {injection}: {reason:message}", "已跳过 {injection}：{reason}"),
    ("opted out: {reason:message}", "已排除：{reason}"),
    ("nothing asked for: {reason:message}", "无需注入：{reason}"),
    ("{injection}, {rule}: {message:message}", "{injection}，{rule}：{message}"),
    ("injected {injection}, by {rule:any}", "已注入 {injection}，依据 {rule}"),
    ("{count} object", "{count} 个对象"),
    ("{count} objects", "{count} 个对象"),
    ("{count} injected", "已注入 {count} 个"),
    ("{count} present", "已存在 {count} 个"),
    ("{count} removed", "已移除 {count} 个"),
    ("{count} skipped", "已跳过 {count} 个"),
    ("{count} opted out", "已排除 {count} 个"),
    ("{count} nothing asked for", "无需注入 {count} 个"),
    (
        "{errors:message}, the first: {first:message}; `check-settings` lists them all",
        "{errors}，第一个是：{first}；`check-settings` 会列出全部错误",
    ),
    // Those of `check-settings`.
    ("note: ", "提示："),
    ("valid (read as {source:message})", "有效（来源：{source}）"),
    ("valid, {notes:message} (read as {source:message})", "有效，{notes}（来源：{source}）"),
    ("{errors:message} (read as {source:message})", "{errors}（来源：{source}）"),
    (
        "{errors:message}, {notes:message} (read as {source:message})",
        "{errors}，{notes}（来源：{source}）",
    ),
    ("{count} error", "{count} 个错误"),
    ("{count} errors", "{count} 个错误"),
    ("{count} note", "{count} 条提示"),
    ("{count} notes", "{count} 条提示"),
];
