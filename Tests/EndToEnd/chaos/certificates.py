"""Certificates for mutual TLS between nodes, as the operator's guide makes them."""

from chaos.hosts import run


class Authority:
    """A certificate authority in a folder; it signs one certificate a node, with the node's id as its DNS name."""

    def __init__(self, folder):
        self.folder = folder
        self.certificate = folder / "authority.pem"
        self.key = folder / "authority.key"

    async def make(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        await run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=chaos", "-keyout", str(self.key), "-out", str(self.certificate))

    async def issue(self, name):
        """The settings of a process called `name`."""
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName=DNS:{name}\nextendedKeyUsage=serverAuth,clientAuth\n")
        await run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request))
        await run("openssl", "x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self.key),
                  "-CAcreateserial", "-days", "30", "-extfile", str(extensions), "-out", str(certificate))
        return {
            "tls.certificate": str(certificate), "tls.key": str(key), "tls.authority": str(self.certificate),
        }
