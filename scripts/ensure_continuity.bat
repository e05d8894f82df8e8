@echo off
rem Makes sure that the tracker runs under its watchdog: starts both in the background if need be, and says how they are.
chcp 65001 >nul
python "%~dp0start_with_monitor.py" --ensure %*
