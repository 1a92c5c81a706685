"""A Celery application whose broker is a folder: a task makes a call, another ends its process.

Environment: BROKER, the folder.
"""

import os
import signal

from celery import Celery
from together import Together

app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = dict.fromkeys(
    ("data_folder_in", "data_folder_out", "control_folder"), os.environ["BROKER"]
)
client = None


@app.task
def ask():
    """Ask Together."""
    global client  # noqa: PLW0603 - one client a process, made by its first task
    client = client or Together(max_retries=0)
    client.chat.completions.create(model="a/model", messages=[{"role": "user", "content": "Hello"}])


@app.task
def die():
    """Be killed at work: one that waits for work may take its pool's lock with it."""
    os.kill(os.getpid(), signal.SIGKILL)
