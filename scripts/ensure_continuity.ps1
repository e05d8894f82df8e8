# Makes sure that the tracker runs under its watchdog: starts both in the background if need be, and says how they are.
$ErrorActionPreference = 'Stop'
$own = Join-Path $PSScriptRoot '..\.venv\Scripts\python.exe'
$python = if (Test-Path -LiteralPath $own) { $own } else { 'python' }
& $python (Join-Path $PSScriptRoot 'start_with_monitor.py') --ensure @args
exit $LASTEXITCODE
