"""Objects of the server's API, with the fields that all generations of the SDK read."""

from typing import Any

CREATED = 1_700_000_000
"""Creation time of all objects, in Unix seconds."""

FILE_CONTENT = b'{"text": "Hi"}\n'
"""Content of every file."""

FILE_ID = "file-1"
DEFAULT_MODEL = "stand-in/model"

FILE: dict[str, Any] = {
    "id": FILE_ID,
    "object": "file",
    "bytes": len(FILE_CONTENT),
    "created_at": CREATED,
    "filename": "data.jsonl",
    "purpose": "fine-tune",
    "FileType": "jsonl",
    "LineCount": 1,
    "Processed": True,
}
MODEL: dict[str, Any] = {
    "id": DEFAULT_MODEL,
    "object": "model",
    "created": CREATED,
    "type": "chat",
    "display_name": "Stand-in",
    "organization": "Nobody",
    "link": "",
    "license": "",
    "context_length": 4096,
    "pricing": {"hourly": 0.0, "input": 0.0, "output": 0.0, "base": 0.0, "finetune": 0.0},
}
CUSTOM_MODEL: dict[str, Any] = {
    "id": "ml-1",
    "name": DEFAULT_MODEL,
    "organizationId": "org-1",
    "visibility": "VISIBILITY_PRIVATE",
    "weights": {"type": "WEIGHTS_TYPE_DEFAULT"},
}
LIMITS: dict[str, Any] = {
    "model_name": DEFAULT_MODEL,
    "max_num_epochs": 20,
    "max_num_evals": 100,
    "max_num_checkpoints": 100,
    "max_learning_rate": 1.0,
    "min_learning_rate": 0.0,
    "max_seq_length_sft": 4096,
    "max_seq_length_dpo": 4096,
    "min_max_seq_length": 512,
    "merge_output_lora": True,
    "supports_vision": False,
    "supports_tools": False,
    "supports_reasoning": False,
    "supports_full_training": False,
    "default_gradient_accumulation_steps": 1,
    "lora_training": {
        "max_batch_size": 64,
        "max_batch_size_dpo": 32,
        "min_batch_size": 8,
        "max_rank": 64,
        "default_rank": 8,
        "target_modules": ["q_proj"],
    },
}
PRICE: dict[str, Any] = {
    "estimation_available": True,
    "allowed_to_proceed": True,
    "estimated_total_price": 1.0,
    "estimated_train_token_count": 1,
    "estimated_eval_token_count": 0,
    "user_limit": 100.0,
}
JOB: dict[str, Any] = {
    "id": "ft-1",
    "status": "pending",
    "model": DEFAULT_MODEL,
    "model_output_name": DEFAULT_MODEL,
    "adapter_output_name": DEFAULT_MODEL,
    "created_at": "2024-01-01T00:00:00Z",
    "updated_at": "2024-01-01T00:00:00Z",
}
WHOAMI: dict[str, Any] = {
    # 3.x reads the nested fields, 2.x the flat ones.
    "type": "project_api_key",
    "api_key": {"id": "key-1"},
    "organization": {"id": "org-1", "name": "Nobody"},
    "project": {"id": "proj-1", "name": "Stand-in", "slug": "stand-in"},
    "api_key_id": "key-1",
    "organization_id": "org-1",
    "organization_name": "Nobody",
    "project_id": "proj-1",
    "project_name": "Stand-in",
    "project_slug": "stand-in",
}
