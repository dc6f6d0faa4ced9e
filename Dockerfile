# A try without installing anything but Docker. The first call opens the notebooks: the terminal shows their address.
# The second one runs the profile smoke and leaves its report in runs/smoke, which user 1000 must be able to write.
#
#   docker build --tag higgs_lib .
#   docker run --rm --publish 8888:8888 higgs_lib
#   mkdir -p runs && docker run --rm --volume "$PWD/runs:/home/user/higgs_lib/runs" higgs_lib reproduce
FROM python:3.12-slim-bookworm

COPY binder/apt.txt /tmp/apt.txt
# Java's package links manual pages into a folder that slim images lack.
RUN mkdir -p /usr/share/man/man1 \
 && apt-get update \
 && xargs --arg-file=/tmp/apt.txt apt-get install --yes --no-install-recommends \
 && rm -rf /var/lib/apt/lists/* /tmp/apt.txt \
 && useradd --create-home --uid 1000 user \
 && install --directory --owner=user --group=user /home/user/higgs_lib /home/user/higgs_lib/runs

WORKDIR /home/user/higgs_lib
# The dependencies are a layer of their own, which stays where only code changes.
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY higgs_lib/__init__.py higgs_lib/
RUN pip install --no-cache-dir --constraint requirements.lock --editable .

COPY binder/jupyter_server_config.json /etc/jupyter/
COPY --chown=user:user . .
USER 1000
EXPOSE 8888
ENTRYPOINT ["make", "ENV=active", "PROFILE=smoke"]
CMD ["lab"]
