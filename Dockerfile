# The harness in a container; on a machine with NVIDIA's container toolkit, add `--gpus all`.
#
#   docker build -t unlearning .
#   docker run --rm -v "$PWD/submissions:/app/submissions" -v "$PWD/results:/app/results" \
#       -v "$PWD/cache:/app/reference/cache" --security-opt seccomp=unconfined \
#       --security-opt apparmor=unconfined --security-opt systempaths=unconfined \
#       --cap-add SYS_ADMIN unlearning evaluate
#
# Without these security options the sandbox finds a weaker level and says so on every row.
# Not built yet: there was no Docker where this was written.
# PyTorch's wheels hold CUDA and run on the CPU too, so one image serves both.
FROM python:3.12-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap util-linux \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir '.[participants]'
ENTRYPOINT ["harness"]
CMD ["evaluate"]
