"""Phrases by which a card steers the model outside the role, in English and Chinese."""

from studio.market.models import Severity
from studio.market.screening.checks.base import Check, Finding, Rule, search
from studio.market.screening.checks.submission import Submission, Text

_OVERRIDES = "This tells the model to set its instructions aside."
_REVEALS = "This asks the model for its hidden instructions."
_UNBOUND = "This asks the model to work without limits."
_CONTROL = "This imitates the marks that separate messages for a model."

_RULES = (
    Rule(
        r"<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|eot_id|begin_of_text|start_header_id|end_header_id)\|?>"
        r"|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>",
        Severity.WARNING,
        _CONTROL,
    ),
    Rule(
        r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|bypass(?:ing)?)\s+"
        r"(?:(?:all|any|the|your|of|these|those|every|everything|in)\s+){0,4}"
        r"(?:previous|prior|above|earlier|preceding|former|system|safety|content|original|other|openai)\s+"
        r"(?:system\s+|safety\s+|content\s+)?(?:instruction|prompt|rule|guideline|message|polic|direction|filter|context)[a-z]*",
        Severity.WARNING,
        _OVERRIDES,
    ),
    Rule(
        r"(?:忽略|无视|忽视|忘记|忘掉|不要理会|不必遵守|覆盖|绕过|绕开)[^。！？\n\x00]{0,12}"
        r"(?:指令|指示|提示词|提示|规则|限制|准则|审查|约束|安全策略)",
        Severity.WARNING,
        _OVERRIDES,
    ),
    Rule(
        r"\b(?:reveal|print|repeat|output|show|leak|disclose)\s+(?:me\s+)?(?:your|the)\s+(?:full\s+|entire\s+)?"
        r"(?:system|hidden|initial|secret)\s+(?:prompt|instruction|message)s?",
        Severity.WARNING,
        _REVEALS,
    ),
    Rule(
        r"(?:输出|泄露|显示|复述|打印|公开|告诉我)[^。！？\n\x00]{0,8}(?:系统提示|系统指令|隐藏指令|初始提示)",
        Severity.WARNING,
        _REVEALS,
    ),
    Rule(
        r"\b(?:jail\s?break(?:ed|ing)?|do anything now|DAN mode|developer mode (?:enabled|on)|uncensored mode"
        r"|(?:no|without(?: any)?|free of(?: all)?) (?:content |ethical |moral |safety )?(?:restrictions|filters|censorship|guidelines)"
        r"|(?:no longer|not) bound by (?:any |the |your |openai'?s? )?(?:rules|policies|policy|guidelines|restrictions))\b",
        Severity.WARNING,
        _UNBOUND,
    ),
    Rule(
        r"越狱|破限|无审查|不受(?:任何)?(?:限制|审查|约束)|没有任何(?:限制|审查|道德)|解除(?:一切|所有)?(?:限制|审查)"
        r"|你(?:现在)?不(?:再)?是(?:一个|一名)?(?:AI|人工智能|语言模型)",
        Severity.WARNING,
        _UNBOUND,
    ),
    # Orders to answer whatever is asked. A character may refuse nothing and nobody ("she never refuses tea"):
    # so they count as orders by their form, and only where they are about what a model gives.
    Rule(
        r"(?:\b(?:must|will|shall|should|may|can|do)\s+(?:never|not)|\b(?:cannot|don't|do\s?n’t|you\s+never)|(?:^|[-.!?:;*,\n\x00])\s*never)"
        r"\s+(?:ever\s+)?((?:refuse|decline|withhold|censor|sanitize|filter)\b[^.!?\n\x00]{0,60}?"
        r"\b(?:information|answers?|responses?|requests?|questions?|topics?|content|prompts?|instructions?|outputs?"
        r"|to (?:answer|respond|reply|comply|generate)))\b",
        Severity.WARNING,
        _UNBOUND,
    ),
    Rule(
        r"\b(?:uncensored|unfiltered)\b[^.!?\n\x00]{0,30}"
        r"\b(?:answers?|responses?|replies|outputs?|information|content|AI|assistant|chatbot|language model)\b",
        Severity.WARNING,
        _UNBOUND,
    ),
    Rule(
        r"\b(?:answer|repl(?:y|ies)|respon[ds]|request|information|content|comply|provid|generat|assist)[a-z]*\b[^.!?\n\x00]{0,60}?"
        r"\b((?:regardless|irrespective) of (?:(?:any|its|their|the) )?(?:moral|ethic|taboo|law)[a-z]*)"
        r"|\b(?:regardless|irrespective) of (?:(?:any|its|their|the) )?(?:legality|whether (?:it|they) (?:is|are) (?:illegal|legal|unethical|immoral))\b"
        r"|\bno matter how (?:illegal|immoral|unethical)\b",
        Severity.WARNING,
        _UNBOUND,
    ),
    Rule(
        r"(?:绝不(?:能|会|可以|可|得)?|不得|禁止|严禁|永远不(?:能|会|得|可以|要)?|必须不)(?:以任何理由)?拒绝[^。！？\n\x00]{0,10}"
        r"(?:回答|回应|回复|提供|输出|生成|用户|\{\{user\}\}|任何(?:请求|要求|指令|问题|话题))"
        r"|(?:你|模型|助手|\{\{char\}\})(?:绝对|永远)?不得拒绝",
        Severity.WARNING,
        _UNBOUND,
    ),
    Rule(
        r"(?:无论|不论|不管)(?:内容|信息|话题|请求|问题|其|它|这)?(?:是否|是不是|有多|多么|合不)(?:合法|违法|非法|合规|违规|合乎|符合|道德|不道德)"
        r"|(?:无过滤|未过滤|未经过滤|不加过滤|未经审查|不经审查|不加审查)的?[^。！？\n\x00]{0,6}(?:回答|回复|答案|内容|输出)",
        Severity.WARNING,
        _UNBOUND,
    ),
)

# What stands here is sent to the model as instructions, not as a tale.
_INSTRUCTIONS = ("data.system_prompt", "data.post_history_instructions", "data.extensions.depth_prompt")


def _weigh(text: Text, rule: Rule) -> Severity:
    return Severity.SEVERE if text.path.startswith(_INSTRUCTIONS) else rule.severity


def _look(submission: Submission) -> Finding:
    return search(submission, _RULES, weigh=_weigh)


CHECK = Check("injection", 2, "Instructions to the model", _look)
