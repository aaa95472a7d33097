// The Chinese of what the YAML parser says.

/** The frequent messages, which tell more than their codes. */
const MESSAGES = [
  [/^All sequence items must start at the same column/, '列表的各项必须从同一列开始'],
  [/^All mapping items must start at the same column/, '映射的各键必须从同一列开始'],
  [/^Implicit map keys need to be followed by map values/, '键之后缺少冒号和值'],
  [/^Implicit keys need to be on a single line/, '键必须写在同一行内'],
  [
    /^Nested mappings are not allowed in compact mappings/,
    '一行内不能嵌套映射：请为值加上引号，或另起一行',
  ],
  [/^A block sequence may not be used as an implicit map key/, '列表不能用作键：请检查冒号和缩进'],
  [/^Sequence item without - indicator/, '列表项缺少“-”'],
  [/^Missing closing (["'])quote/, (quote) => `缺少右引号（${quote}）`],
  [/^Missing , (?:or : )?between flow/, '各项之间缺少“,”'],
  [/^Flow .* must end with a (.)/, (bracket) => `缺少右括号“${bracket}”`],
  [/^Flow .* and end with a (.)/, (bracket) => `缺少右括号“${bracket}”，或缩进不足`],
  [/^Missing space after :/, '“:”之后缺少空格'],
  [/^Comments must be separated/, '“#”之前缺少空格'],
  [/^Plain value cannot start with .*(.)$/, (start) => `值不能以“${start}”开头：请加上引号`],
  [/^Invalid escape sequence (.+)/, (escape) => `转义序列“${escape}”无效`],
  [/^Unresolved alias.*: (.+)$/, (alias) => `没有与别名 ${alias} 对应的锚点`],
  [/^Excessive alias count/, '别名展开后过大'],
];

/** What is wrong, by the code of an error. */
export const CODES = {
  ALIAS_PROPS: '别名不能带有锚点或标签',
  BAD_ALIAS: '锚点或别名的名称无效',
  BAD_COLLECTION_TYPE: '标签与其集合的类型不符',
  BAD_DIRECTIVE: '“%”开头的指令无效',
  BAD_DQ_ESCAPE: '转义序列无效',
  BAD_INDENT: '缩进不正确',
  BAD_PROP_ORDER: '锚点和标签的位置不正确',
  BAD_SCALAR_START: '值不能以此字符开头：请加上引号',
  BLOCK_AS_IMPLICIT_KEY: '此处不能用作键：请检查冒号和缩进',
  BLOCK_IN_FLOW: '方括号或花括号内不能使用块格式',
  DUPLICATE_KEY: '键重复',
  IMPOSSIBLE: '无法解析',
  KEY_OVER_1024_CHARS: '键超过 1024 个字符：请检查引号和冒号',
  MISSING_CHAR: '缺少字符',
  MULTILINE_IMPLICIT_KEY: '键必须写在同一行内：请检查冒号和缩进',
  MULTIPLE_ANCHORS: '一个节点只能有一个锚点',
  MULTIPLE_DOCS: '含有多个文档',
  MULTIPLE_TAGS: '一个节点只能有一个标签',
  NON_STRING_KEY: '键必须是字符串',
  RESOURCE_EXHAUSTION: '嵌套过深',
  TAB_AS_INDENT: '不能用制表符缩进：请改用空格',
  TAG_RESOLVE_FAILED: '标签无法识别',
  UNEXPECTED_TOKEN: '此处不应出现这一内容',
};

/** The message of an error of the parser in Chinese; it stays as it is where both are unknown. */
export function inChinese({ code, message }) {
  for (const [pattern, chinese] of MESSAGES) {
    const found = pattern.exec(message);
    if (found) return typeof chinese === 'string' ? chinese : chinese(found[1]);
  }
  return CODES[code] ?? message;
}
