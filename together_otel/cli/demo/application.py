"""A worker as anyone would write it: answers the questions on its standard input."""

import sys

from together import Together

MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"


def main() -> None:
    """Answer until the input ends; a question that fails is reported, the next one is tried."""
    client = Together()
    for question in sys.stdin:
        try:
            reply = client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": question.strip()}]
            )
            message = reply.choices[0].message
        except Exception as error:  # noqa: BLE001 - a service outlives whatever a question does
            report = f"failed: {type(error).__name__}: {' '.join(str(error).split())}"
        else:
            report = f"answered: {message.content if message else None}"
        sys.stderr.write(report + "\n")
        sys.stderr.flush()


if __name__ == "__main__":
    main()
