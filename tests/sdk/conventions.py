"""What the JSON schemas of OpenTelemetry's GenAI conventions ask of content, as checks.

The stricter of 1.37 and the present ones: an output message has its finish reason.
"""

MODALITIES = {"image", "video", "audio", "document"}

REQUIRED = {
    "text": {"content": str},
    "reasoning": {"content": str},
    "tool_call": {"name": str},
    "tool_call_response": {"response": object},
    "uri": {"modality": str, "uri": str},
    "blob": {"modality": str, "content": str},
    "file": {"modality": str, "file_id": str},
    "generic": {"generic_type": str},
}
"""Type of a part → fields it must have, and of which type they are."""

OPTIONAL = {"id": str, "mime_type": str}


def check_part(part):
    assert isinstance(part, dict)
    assert part["type"] in REQUIRED
    for name, kind in REQUIRED.get(part["type"], {}).items():
        assert isinstance(part[name], kind), f"{name} of {part}"
    for name, kind in OPTIONAL.items():
        assert isinstance(part.get(name, ""), kind), f"{name} of {part}"
    if "modality" in part:
        assert part["modality"] in MODALITIES


def check_message(message):
    assert isinstance(message["role"], str)
    assert isinstance(message["parts"], list)
    assert isinstance(message.get("name", ""), str)
    for part in message["parts"]:
        check_part(part)


def check_tool(tool):
    assert isinstance(tool["type"], str)
    assert isinstance(tool["name"], str)
    if tool["type"] == "function":
        assert isinstance(tool.get("description", ""), str)
        assert isinstance(tool.get("parameters", {}), dict)


def check(content):
    """Fail unless every attribute of content is what the conventions say it is."""
    for attribute, items in content.items():
        assert isinstance(items, list)
        for item in items:
            if attribute == "gen_ai.tool.definitions":
                check_tool(item)
            elif attribute == "gen_ai.system_instructions":
                check_part(item)
            else:
                assert attribute in {"gen_ai.input.messages", "gen_ai.output.messages"}
                check_message(item)
                if attribute == "gen_ai.output.messages":
                    # One of theirs, or any other text.
                    assert item["finish_reason"]
                    assert isinstance(item["finish_reason"], str)
