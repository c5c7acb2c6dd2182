"""Ordinary texts, in which nothing is a secret: code in twelve languages, prose in eleven, logs and data."""

from __future__ import annotations

ORDINARY = {
    "Python": '''@pytest.fixture(scope="session")
def weights(self, x: Tensor) -> Tensor:
    """See PEP 465: `a @ b`."""
    y = self.W@x.reshape(-1, 8) + self.b@x.mean(0) + W@x.to(device) + A@B.T
    assert hashlib.md5(b"").hexdigest() == "d41d8cd98f00b204e9800998ecf8427e"
    os.environ.get("OPENAI_API_KEY", ""); key = keys[0]; password: str = getpass()''',
    "JavaScript": """import x from "@scope/package@1.2.3";
export default { apiKey: process.env.API_KEY, password: undefined, token: null };
e.password=null;let i=await t.read();const b64 = btoa("hello world, hello"); // aGVsbG8gd29ybGQ=
@Component({selector: 'app-root'}) class App { @Input() name!: string }""",
    "TypeScript": "type Key = keyof typeof map; const isKey = (k: string): k is Key => k in map;",
    "Java": '@Override public String toString() { return getClass().getName() + "@" + Integer.toHexString(1b2c3d4e); }',
    "Kotlin": "this@MainActivity.name; return@forEach; this@Outer.name.length; super@Outer.onCreate()",
    "C": "#define KEY_SIZE 32\n#include <openssl/evp.h>\nstatic const long c = +281474976710656; /* 1 << 48 */",
    "C#": 'var s = $"{user.Name}@{host}"; [Key] public int Id { get; set; } // Key: primary key of the table',
    "Go": 'import "golang.org/x/tools@v0.1.0"\nfunc (k *Key) Bytes() []byte { return k.b[:] } // key is of 32 bytes',
    "Rust": 'pub const KEY: &[u8; 32] = b"0123456789abcdef0123456789abcdef"; #[derive(Debug)] struct Token(String);',
    "Ruby": "@user.email = params[:email]; validates :password, length: { minimum: 8 }; foo&.bar@baz = 1",
    "Shell": 'scp build.tar.gz deploy@prod.sh: && export PASSWORD="$(cat pw)"; curl -H "Authorization: Bearer $TOKEN" "$URL"',
    "SQL": "SELECT key, value FROM settings WHERE key = 'theme'; -- PRIMARY KEY (id), KEY idx (name)",
    "YAML": "uses: actions/checkout@v4.1.0\nimage: nginx@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "diff": "@@ -1,5 +1,5 @@ def f():\n-1000000000\n+1000000001\n+4294967296\n index 83db48f..bf269f4 100644",
    "logs": """2026-11-28T22:30:00.123+01:00 INFO [worker-7] GET /api/chat/completions 200 1.9 s id=3fa85f64-5717-4562-b3fc-2c963f66afa6
10.0.0.17 - - [28/Nov/2026:22:30:00 +0100] "POST /login HTTP/1.1" 302 - "-" "Mozilla/5.0 (X11; Linux x86_64)"
trace 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 etag "d41d8cd98f00b204e9800998ecf8427e" cache key: d41d8cd98f00b204e9800998ecf8427e""",
    "diff of a log": "+2026-11-28 22:30:00 INFO started\n+20240115103000,x\n+1234567890,foo\n x[+1234567890]",
    "R": "plot(pbmc@meta.data$cluster)\nW@weights.data",
    "keys that are none": "public key: d41d8cd98f00b204e9800998ecf8427e, partition key = d41d8cd98f00b204e9800998ecf8427e",
    "code with passwords": "let u=b.user; password=req.body.password;\nconnect(password=password, key_password=self.key_password, auth=auth[1])",
    "code with addresses": 'printf("https://%s.blob.core.windows.net"); `https://$account.blob.core.windows.net`; privatelink.blob.core.windows.net',
    "shop": "?next=1&promo_code=SUMMER-SALE-2026-EXTRA xoxb-your-token-goes-here a.type=b;a.key=document.getElementById2",
    "files": "report@final.docx hero@2x.avif logo@3x.png notes@2024.md clip@1080p.mov backup@monday.zip run@prod.sh",
    "Azure's documentation": """https://contoso.openai.azure.com/ and https://your-resource-name.openai.azure.com; ada@contoso.com of fabrikam.onmicrosoft.com
/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/group; az keyvault create --name myvault""",
    "AWS's documentation": "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "numbers": "pi is 3.14159265358979323846, e is 2.718281828459045; +3.5 %, +1,234,567.89, 1-800-FLOWERS, 555-0100, ISBN 978-3-16-148410-0",
    "English": "The key to a good password is length; mail me at work, or call after six. The token of my love is the basic key of life.",
    "German": "Grüße aus Köln! Der Schlüssel liegt unter der Matte; das Passwort steht im Handbuch auf Seite 42.",
    "French": "L’été dernier, j’ai perdu la clé : « quel dommage ! », dit-elle. Le jeton vaut 5 €.",
    "Spanish": "¿Dónde está la llave? La contraseña está en el sobre; llámame mañana a las 8.",
    "Polish": "Zażółć gęślą jaźń. Klucz do drzwi jest pod wycieraczką, a hasło zna tylko Łukasz.",
    "Turkish": "Anahtar paspasın altında; şifreyi yalnızca İsmail biliyor. Çok teşekkürler!",
    "Russian": "Ключ под ковриком, а пароль знает только Иван. Позвоните завтра в 10:30.",
    "Arabic": "المفتاح تحت السجادة، وكلمة المرور في الظرف. شكرا جزيلا!",
    "Hindi": "चाबी चटाई के नीचे है, और पासवर्ड लिफ़ाफ़े में है। धन्यवाद!",
    "Chinese": "钥匙在门垫下面，密码在信封里。请明天上午十点打电话。",
    "Japanese": "鍵はマットの下にあります。パスワードは封筒の中です。よろしくお願いします。",
}
