# arbml's own image: the scheduler (arbml schedule) and every other command. The service has its own, made by bentoml.
FROM python:3.11-slim
WORKDIR /app
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY arbml arbml
COPY flows flows
COPY bentos bentos
COPY expectations expectations
RUN pip install --no-cache-dir --no-deps --no-build-isolation . && useradd --create-home arbml && mkdir /data && chown arbml /data
USER arbml
ENV ML_HOME=/data
ENTRYPOINT ["arbml"]
CMD ["--help"]
