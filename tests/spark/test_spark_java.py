import pytest

from higgs_lib.spark import JavaError, java


def test_java_is_new_enough():
    home = java.find_java()
    assert home is not None
    assert java._java_version(home / "bin" / "java") >= java.MINIMUM_VERSION


def test_without_java_one_error_says_what_to_install(monkeypatch, tmp_path):
    import jdk

    def unreachable(*_, **__):
        raise OSError("no network")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java, "environment_java", lambda: tmp_path)
    monkeypatch.setattr(jdk, "install", unreachable)
    with pytest.raises(JavaError, match=r"Java 17 or newer.*no network.*apt install openjdk-17"):
        java.ensure_java()


def test_an_old_or_broken_java_is_not_taken(monkeypatch, tmp_path):
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    program.chmod(0o755)
    assert java._java_version(program) == 11
    program.write_text("#!/bin/sh\nexit 3\n")
    assert java._java_version(program) == 0
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setattr(java, "environment_java", lambda: tmp_path / "none")
    assert java.find_java() is None
